import type * as z from 'zod'

export * as log from '../../interfaces/log.js'
export * as http from './http.js'

declare global {
  /** Writes to the log: `debug` at level debug, `log` and `info` at info, `warn` and `error` at warn. */
  var console: Record<'debug' | 'log' | 'info' | 'warn' | 'error', (...values: unknown[]) => void>
}

/** What the host does about an error follows from its class. */
export type ErrorClass =
  /** It does not exist. To `read` and `delete` that is an answer: the resource is gone. */
  | 'not-found'
  /** A name is taken, or something else uses it. */
  | 'conflict'
  /** Not allowed. */
  | 'denied'
  /** A limit of the account. */
  | 'quota'
  /** Too many calls. Nothing was done; the host tries again. */
  | 'throttled'
  /** The spec is wrong in the eyes of the service. */
  | 'invalid'
  /** The service failed. It may have done what it was asked for; the host tries again. */
  | 'service'
  /** No answer. As `service`. */
  | 'unreachable'

/** An error that the provider reports, and no crash. Throw it. */
export declare class ProviderError extends Error {
  constructor(errorClass: ErrorClass, message: string, more?: { code?: string; advice?: string })
  readonly class: ErrorClass
  /** The service's own code, where it has one. */
  readonly code?: string
  /** What to do about it, where the provider knows better than the class does. */
  readonly advice?: string
}

/** Waits for so many milliseconds. Where the run is stopped meanwhile, the call ends here. */
export declare function pause(milliseconds: number): void

/** What a kind tells of a resource beside its `id`. */
export interface OutputOf {
  /** One sentence. */
  readonly description: string
  /** Whether its value tells this resource from all others, and stays as it is for as long as the resource lives. */
  readonly identity?: boolean
  /** Keeps the value out of everything that is shown. The state holds it. */
  readonly sensitive?: boolean
}

/** A value that JSON has. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined }

/** One value for each output: `null` where there is none. */
export type Values<Outputs> = { [Name in keyof Outputs]: Json }

/** A resource that was made. */
export interface Created<Outputs> {
  /** The service's id, or what stands for one. It never changes. */
  id: string
  outputs: Values<Outputs>
}

/** A resource as the service has it. */
export interface Observed<Spec extends z.ZodType, Outputs> {
  /** In the form in which it is declared. Fields that the service does not tell, and handles of secrets, are those of the spec that was given. */
  spec: z.input<Spec>
  outputs: Values<Outputs>
}

type Nothing = undefined | null
type Field<Spec extends z.ZodType> = Extract<keyof z.input<Spec>, string>

/** What a kind is and does. Its functions return values, and no promises. */
export interface KindOf<Config extends z.ZodType, Spec extends z.ZodType, Outputs extends Record<string, OutputOf>> {
  /** `record` of `dns.record`: a small letter, then small letters, digits and hyphens. */
  name: string
  /** One sentence. */
  summary: string
  /** The schema of the provider's options: the one that `defineProvider` gets. */
  config: Config
  /** The schema of specs. Make it with `z.strictObject`. A field with `.meta({ writeOnly: true })` may hold the handle of a secret. */
  spec: Spec
  /** Fields that cannot be changed in place: another value makes another resource. */
  immutable?: readonly Field<Spec>[]
  /** Fields that together name the resource, so that only one can have them at a time. */
  unique?: readonly Field<Spec>[]
  /** Every output. `id` is one by itself. */
  outputs?: Outputs
  /** Makes a resource. `token` is unique to it, and the same when the call is made again. */
  create(given: { config: z.output<Config>; spec: z.output<Spec>; token: string }): Created<Outputs>
  /** Looks for what a `create` with this token made, whose answer was lost. What somebody else made may not be given. */
  find(given: { config: z.output<Config>; spec: z.output<Spec>; token: string }): Created<Outputs> | Nothing
  /** What the service says now; nothing where the resource is gone. `spec` is the last one that is known. */
  read(given: { config: z.output<Config>; id: string; spec: z.output<Spec> }): Observed<Spec, Outputs> | Nothing
  /** Changes a resource in place, and returns its outputs. Leave it out where every field is immutable. */
  update?(given: { config: z.output<Config>; id: string; old: z.output<Spec>; spec: z.output<Spec> }): Values<Outputs>
  /** Deletes a resource, and returns when it is gone. One that is gone already is no error. */
  delete(given: { config: z.output<Config>; id: string; spec: z.output<Spec> }): void
}

/** A kind of the provider with these options. */
export interface Kind<Config extends z.ZodType> {
  readonly config: Config
}

/** Makes a kind of what it is and does. Throws where that does not fit together. */
export declare function defineKind<Config extends z.ZodType, Spec extends z.ZodType, const Outputs extends Record<string, OutputOf> = {}>(
  kind: KindOf<Config, Spec, Outputs>,
): Kind<Config>

export interface Provider<Config extends z.ZodType> {
  /** One sentence: what the provider brings. */
  summary: string
  /** The provider's `with` table. Descriptions are what users see. Make it with `z.strictObject`. */
  config: Config
  kinds: readonly [Kind<Config>, ...Kind<Config>[]]
}

/**
 * Makes a provider of its kinds. The module exports what comes back:
 *
 *     export const kinds = defineProvider({ … })
 */
export declare function defineProvider<Config extends z.ZodType>(provider: Provider<Config>): object
