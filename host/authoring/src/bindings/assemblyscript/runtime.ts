// What the bindings share: values that AssemblyScript has no form of its own for, memory, and the last words of a crash.

/** A value that may be absent. */
export class Option<T> {
  private constructor(
    /** Whether there is a value. */
    readonly isSome: bool,
    private readonly inner: T,
  ) {}

  static of<T>(isSome: bool, inner: T): Option<T> {
    return new Option<T>(isSome, inner)
  }

  /** The value. Ask `isSome` first: without one this is a crash. */
  get value(): T {
    if (!this.isSome) throw new Error('the option has no value')
    return this.inner
  }

  /** The value, or another one where there is none. */
  or(other: T): T {
    return this.isSome ? this.inner : other
  }
}

/** An option with a value. */
export function some<T>(value: T): Option<T> {
  return Option.of<T>(true, value)
}

/** An option without one. */
export function none<T>(): Option<T> {
  return Option.of<T>(false, unset<T>())
}

/** What a call gives: a value, or an error. */
export class Result<T, E> {
  private constructor(
    /** Whether there is a value. */
    readonly isOk: bool,
    private readonly okValue: T,
    private readonly errValue: E,
  ) {}

  static of<T, E>(isOk: bool, value: T, error: E): Result<T, E> {
    return new Result<T, E>(isOk, value, error)
  }

  /** The value. Ask `isOk` first: without one this is a crash. */
  get value(): T {
    if (!this.isOk) throw new Error('the result is an error, and has no value')
    return this.okValue
  }

  /** The error. Ask `isOk` first: without one this is a crash. */
  get error(): E {
    if (this.isOk) throw new Error('the result is a value, and no error')
    return this.errValue
  }
}

/** A result that is a value. */
export function ok<T, E>(value: T): Result<T, E> {
  return Result.of<T, E>(true, value, unset<E>())
}

/** A result that is an error. */
export function err<T, E>(error: E): Result<T, E> {
  return Result.of<T, E>(false, unset<T>(), error)
}

/** The value of a result that says no more than that it went well, or badly. */
export class Unit {}

/** The place of a value that is not there. Nobody reads it. */
export function unset<T>(): T {
  if (isReference<T>()) return changetype<T>(0)
  // @ts-ignore: every other type is a number
  return <T>0
}

// Memory that a call of the host needs until it is over. Each block begins with the one before it.

const HEAD: usize = 16
let blocks: usize = 0

export function alloc(bytes: usize): usize {
  const block = heap.alloc(HEAD + bytes)
  store<usize>(block, blocks)
  blocks = block
  return block + HEAD
}

/** Frees everything that `alloc` gave. */
export function release(): void {
  while (blocks != 0) {
    const next = load<usize>(blocks)
    heap.free(blocks)
    blocks = next
  }
}

/** Frees what the host had `cabi_realloc` give. */
export function free(at: usize, length: i32): void {
  if (length != 0) heap.free(at)
}

/** Memory for what the host passes in. */
export function cabi_realloc(at: usize, _oldBytes: usize, _align: usize, bytes: usize): usize {
  return at == 0 ? heap.alloc(bytes) : heap.realloc(at, bytes)
}

export function byteLength(text: string): i32 {
  return String.UTF8.byteLength(text)
}

/** A text in UTF-8. Half of a surrogate pair, which UTF-8 has no form of, becomes U+FFFD. */
export function lowerString(text: string, bytes: i32): i32 {
  const at = alloc(bytes)
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, at, false, String.UTF8.ErrorMode.REPLACE)
  return <i32>at
}

export function liftString(at: usize, bytes: i32): string {
  const text = String.UTF8.decodeUnsafe(at, bytes)
  free(at, bytes)
  return text
}

export function storeString(at: usize, text: string): void {
  const bytes = byteLength(text)
  store<i32>(at, lowerString(text, bytes))
  store<i32>(at, bytes, 4)
}

export function loadString(at: usize): string {
  return liftString(load<usize>(at), load<i32>(at, 4))
}

// The log.

const DEBUG = 0
const INFO = 1
const WARN = 2

// @ts-ignore: decorator
@external("{{log}}", "write")
declare function $write(level: i32, at: i32, bytes: i32): void

function say(level: i32, text: string): void {
  const bytes = byteLength(text)
  $write(level, lowerString(text, bytes), bytes)
}

/** Writes to the log: `log` and `debug` at level debug, `info` at info, `warn` and `error` at warn. */
export namespace console {
  export function debug(text: string): void {
    say(DEBUG, text)
    release()
  }
  export function log(text: string): void {
    debug(text)
  }
  export function info(text: string): void {
    say(INFO, text)
    release()
  }
  export function warn(text: string): void {
    say(WARN, text)
    release()
  }
  export function error(text: string): void {
    warn(text)
  }
}

/** AssemblyScript's own function for a look at numbers. */
export function trace(
  message: string,
  count: i32 = 0,
  a0: f64 = 0,
  a1: f64 = 0,
  a2: f64 = 0,
  a3: f64 = 0,
  a4: f64 = 0,
): void {
  const numbers: f64[] = [a0, a1, a2, a3, a4]
  for (let i = 0; i < min(count, numbers.length); i++) message += ' ' + numbers[i].toString()
  console.debug(message)
}

/** What `Math.random` begins with. */
export function seed(): f64 {
  ERROR('a plugin does the same each time it runs: there is no randomness')
  return 0
}

/** The most characters of a message that are told: the log cuts lines, and the place stands at the end. */
const MOST = 1500
let aborting = false

/** What `throw`, a failed `assert` and a check of the runtime come to. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  // Telling it needs memory, and the lack of that may be the reason.
  if (!aborting) {
    aborting = true
    const said = message === null ? 'no message' : message.substring(0, MOST).replaceAll('\n', ' ')
    const place = file === null ? '' : ' (' + file + ':' + line.toString() + ':' + column.toString() + ')'
    say(DEBUG, 'abort: ' + said + place)
  }
  unreachable()
}
