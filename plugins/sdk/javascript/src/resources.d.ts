import type { Address, Options } from '../interfaces/types.js'

/** A resource of a provider. */
export interface Resource {
  /**
   * An output. Reading it waits until the resource is there. `id` is an output of every kind. While a plan is made, a value that is not
   * known yet is a text, whatever its type.
   */
  output(name: string): any
  address(): Address
}

/**
 * Declares a resource of a provider. `kind` is the provider's name in the pipeline file and the name of one of its kinds: `dns.record`.
 * The host holds `spec` against the kind's schema, and fills its defaults in.
 */
export type Declare = (kind: string, name: string, spec: object, options?: Options) => Resource
