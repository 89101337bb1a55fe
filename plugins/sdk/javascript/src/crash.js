// What a crash leaves behind.
import { write } from 'llmhost:plugin/log@0.2.0'
import { mapped } from './stack.js'

/**
 * Writes the stack of an error to the log, from where the host takes it into its report of the crash. What `isOwn` knows is an
 * error that the author reports, and no crash.
 */
export function told(call, isOwn) {
  return (...args) => {
    try {
      return call(...args)
    } catch (error) {
      if (isOwn(error)) throw error
      const stack = error instanceof Error ? `${error.name}: ${error.message}\n${mapped(error.stack)}` : `Uncaught Error: ${String(error)}`
      write('debug', stack)
      throw error
    }
  }
}
