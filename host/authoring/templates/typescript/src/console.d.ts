/** Writes to the log: `log` and `debug` at level debug, `info` at info, `warn` and `error` at warn. */
declare const console: Record<'debug' | 'log' | 'info' | 'warn' | 'error', (...values: unknown[]) => void>
