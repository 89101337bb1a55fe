// Errors that a provider reports, with a class that tells the host what to do.

export const CLASSES = ['not-found', 'conflict', 'denied', 'quota', 'throttled', 'invalid', 'service', 'unreachable']

export class ProviderError extends Error {
  constructor(errorClass, message, { code, advice } = {}) {
    super(message)
    if (!CLASSES.includes(errorClass)) {
      throw new TypeError(`there is no class of errors '${errorClass}'; there are ${CLASSES.join(', ')}`)
    }
    this.name = 'ProviderError'
    Object.assign(this, { class: errorClass, code, advice })
    // The bindings take the payload of what is thrown.
    this.payload = { class: errorClass, code, message: this.message, advice }
  }
}

export const isReported = (error) => error instanceof ProviderError

/** An error of a service or of an author as `invalid`. */
export const invalid = (message) => new ProviderError('invalid', message)
