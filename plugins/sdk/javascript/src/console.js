// `console` writes to the log.
import { write } from 'llmhost:plugin/log@0.2.0'
import { failureOf } from './failure.js'

function text(value) {
  if (typeof value === 'string') return value
  const failure = failureOf(value)
  if (failure) return `${failure.code}: ${failure.message}`
  if (value instanceof Error) return `${value.name}: ${value.message}`
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

const to = (level) => (...values) => write(level, values.map(text).join(' '))

globalThis.console = { debug: to('debug'), log: to('info'), info: to('info'), warn: to('warn'), error: to('warn') }
