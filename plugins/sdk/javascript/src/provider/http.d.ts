import type * as z from 'zod'

/**
 * A request. The pipeline file grants where it may go: `allow = ["http:GET,POST https://api.example.com/v1/*"]`.
 *
 * The handle of a secret may stand in the value of a header, in `bearer`, in `basic` and in the body. The host puts the value in its place.
 */
export interface Request {
  /** `GET` where it is left out. */
  method?: string
  /** A whole URL. Encode what you put into it: `encodeURIComponent(id)`. */
  url: string
  /** Added to the URL, encoded. Those without a value are left out. */
  query?: Record<string, string | number | boolean | null | undefined>
  headers?: Record<string, string>
  /** `authorization: Bearer …`. Left out where there is none. */
  bearer?: string | null
  /** User and password. */
  basic?: readonly [string, string] | null
  /** Whether redirects are followed. */
  follow?: boolean
}

/** An answer, with any status. */
export interface Response {
  status: number
  /** Names in small letters. */
  headers: Record<string, string>
  body: string
  /** Where it came from, after redirects. */
  url: string
}

/** Sends a request with a text as its body. Throws a `ProviderError` where there is no answer; any status is one. */
export declare function send(request: Request & { body?: string | null }): Response

/**
 * Sends a request with JSON in it, and gives what the answer holds by the schema `answer`. Throws a `ProviderError` where the status is
 * no success, with the service's message: 401 and 403 are `denied`, 404 `not-found`, 409 `conflict`, 429 `throttled`, others below 500
 * `invalid`, and those from 500 on `service`. An answer that the schema refuses is an error of the class `service`.
 */
export declare function json<Answer extends z.ZodType>(request: Request & { body?: unknown; answer: Answer }): z.output<Answer>
/** Without `answer`, it gives what the answer holds: `null` where it is empty. */
export declare function json(request: Request & { body?: unknown }): any
