// What the component exports: the plugin, with an exception's message and stack in the log. A failed call of the host
// throws what the host says; thrown on, it is the plugin's own failure, and no crash.
import * as plugin from '{{plugin}}'
import { write } from '{{log}}'

const text = (value) => {
  if (typeof value === 'string') return value
  if (value instanceof Error) return `${value.name}: ${value.message}\n${stack(value)}`
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
// The plugin's own lines: those of this file say nothing.
const stack = (error) =>
  (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trim() && !line.includes('entry.js'))
    .map((line) => line.replace('(/', '('))
    .join('\n')
const writer =
  (level) =>
  (...values) =>
    write(level, values.map(text).join(' '))

globalThis.console = {
  debug: writer('debug'),
  log: writer('debug'),
  info: writer('info'),
  warn: writer('warn'),
  error: writer('warn'),
}

function told(call) {
  return (...args) => {
    try {
      return call(...args)
    } catch (error) {
      const failure = error?.payload ?? error
      if (typeof failure?.code === 'string' && typeof failure?.message === 'string') {
        throw { code: failure.code, message: failure.message }
      }
      write('debug', error instanceof Error ? text(error) : `Uncaught Error: ${text(error)}`)
      throw error
    }
  }
}

export const describe = told(plugin.describe)
export const run = told(plugin.run)
