import type * as z from 'zod'
import type { Description, Failure, FailureCode } from '../interfaces/types.js'

export * as log from '../interfaces/log.js'
export { isKnown } from '../interfaces/values.js'
export type { Failure, FailureCode, Options } from '../interfaces/types.js'

declare global {
  /** Writes to the log: `debug` at level debug, `log` and `info` at info, `warn` and `error` at warn. */
  var console: Record<'debug' | 'log' | 'info' | 'warn' | 'error', (...values: unknown[]) => void>
}

/** An output of a step: its name, its type and what it is. */
export interface Output<Name extends string = string, Value = unknown> {
  readonly name: Name
  readonly description: string
  readonly valueType?: 'text' | 'number' | 'boolean' | 'array' | 'object'
  readonly sensitive?: boolean
  /** For the compiler alone. */
  readonly value?: Value
}

/** What else is said of an output. */
export interface OutputMark {
  /** Keeps the value out of everything that is shown: the terminal, `--json`, graphs, logs. Other steps get it. */
  readonly sensitive?: boolean
}

export declare const Output: {
  /** A string. */
  text<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, string>
  /** A number. A value that only applying can tell is a text while a plan is made. */
  number<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, number | string>
  /** `true` or `false`. */
  boolean<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, boolean | string>
  /** An array. */
  array<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, readonly unknown[] | string>
  /** An object. */
  object<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, object | string>
  /** A value of any type. */
  any<const Name extends string>(name: Name, description: string, mark?: OutputMark): Output<Name, unknown>
}

/** One value for each output. */
export type OutputsOf<All extends readonly Output[]> = {
  [One in All[number] as One['name']]: One extends Output<string, infer Value> ? Value : never
}

export interface Step<Config extends z.ZodType, Outputs extends readonly Output[]> {
  /** One sentence: what the step makes. */
  summary: string
  /**
   * The step's `with` table. Descriptions are what users see. Make it with `z.strictObject`, so that a misspelt
   * option is an error.
   */
  config: Config
  /** Every output. */
  outputs?: Outputs
  /**
   * The grants that calls of `cloud-control` and `request` need, such as `cloud-control:AWS::SNS::Topic`. Whoever uses the
   * plugin is told; for the other interfaces the host sees what is needed.
   */
  needs?: readonly string[]
  /** Declares the step's resources and returns its outputs. */
  run(config: z.output<Config>): OutputsOf<Outputs>
}

/**
 * Makes a step of what it is and does. A plugin exports what comes back:
 *
 *     export const { describe, run } = defineStep({ … })
 */
export declare function defineStep<Config extends z.ZodType, const Outputs extends readonly Output[] = []>(
  step: Step<Config, Outputs>,
): { describe(): Description; run(config: string): string }

/** A failure of the plugin's own, and no crash. Throw it. */
export declare function failure(code: FailureCode, message: string): Error

/** A failure for a wrong option. Throw it. */
export declare function invalid(message: string): Error

/** The failure of a call that threw; nothing where the error is something else. */
export declare function failureOf(error: unknown): Failure | undefined

/**
 * The name of a resource with this identity: the text that says what the resource is and that no other of its kind has in the
 * step, such as `web-tcp-443-from-10.0.0.0-8`. The same identity always gives the same name, and two identities give two.
 *
 * Build an identity only from what the pipeline file says (`written`).
 */
export declare function nameOf(identity: string): string

/**
 * What the pipeline file says at a place of the step's `with` table: the value itself, or the text of its references
 * (`${roles.role_arns.ops}`) where other steps give it. `pointer` is a JSON pointer such as `/admins/0`; `value` is what
 * the configuration has there.
 */
export declare function written(pointer: string, value: string): string

/** A JSON pointer (RFC 6901) with these parts: `pointer('access', 'a/b', 0)` is `/access/a~1b/0`. */
export declare function pointer(...parts: (string | number)[]): string

/** The names of a step's resources of one kind. Says where two of them are the same. */
export declare class Names {
  /** For resources of this kind, in words: `security group rule`. */
  constructor(kind: string)
  /**
   * The name of a resource (`nameOf`). `place` is what the user calls it, as a message names it. Throws where the step has a
   * resource with this identity already, and names both places.
   */
  take(identity: string, place: string): string
}
