// What the component exports: the plugin, with the stack of an exception on standard error. A failed call of the host
// throws an error with a payload; thrown on, it is the plugin's own failure, and no crash.
import * as plugin from './plugin.js'

function told(call) {
  return (...args) => {
    try {
      return call(...args)
    } catch (error) {
      if (error instanceof Error && !('payload' in error)) {
        console.error(`${error.name}: ${error.message}\n${error.stack}`)
      }
      throw error
    }
  }
}

export const describe = told(plugin.describe)
export const run = told(plugin.run)
