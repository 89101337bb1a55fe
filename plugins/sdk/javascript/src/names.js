// Names of resources by what the resources are, not by their places in a list.
import * as file from 'llmhost:plugin/file@0.2.0'
import { invalid } from './failure.js'

/** UTF-8: not every engine has a TextEncoder. */
function* utf8(text) {
  for (const char of text.toWellFormed()) {
    const code = char.codePointAt(0)
    if (code < 0x80) yield code
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3
      yield (0xff << (7 - more)) & 0xff | code >> (6 * more)
      for (let at = more - 1; at >= 0; at--) yield 0x80 | (code >> (6 * at)) & 0x3f
    }
  }
}

export function nameOf(identity) {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(identity)) return identity
  let h = 0xcbf29ce484222325n
  for (const byte of utf8(identity)) h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n)
  const hash = ((h >> 32n) ^ (h & 0xffffffffn)).toString(16).padStart(8, '0')
  // The end of a path, of an ARN or of a rule tells it from its neighbours.
  const readable = identity.replace(/[^A-Za-z0-9._]+/g, '-').replace(/^-/, '').slice(-55).replace(/^-|-$/g, '')
  return readable ? `${readable}-${hash}` : hash
}

export function written(pointer, value) {
  return file.written(pointer) ?? value
}

export function pointer(...parts) {
  return parts.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

export class Names {
  #kind
  #taken = new Map()

  constructor(kind) {
    this.#kind = kind
  }

  take(identity, place) {
    const first = this.#taken.get(identity)
    if (first !== undefined) {
      throw invalid(`${first} and ${place} are the same ${this.#kind} (${identity}); remove one of them`)
    }
    this.#taken.set(identity, place)
    return nameOf(identity)
  }
}
