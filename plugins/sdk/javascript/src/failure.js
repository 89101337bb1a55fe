/** An error that the plugin reports as its own: the bindings take the payload of what is thrown. */
export function failure(code, message) {
  return Object.assign(new Error(message), { name: 'Failure', payload: { code, message } })
}

export const invalid = (message) => failure('invalid', message)

/** Calls of the host throw an error with the failure as its payload. */
export function failureOf(error) {
  const { code, message } = error?.payload ?? {}
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined
}
