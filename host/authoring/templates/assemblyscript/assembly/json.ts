// Reads and writes JSON: the options of the step, and its outputs.

enum Kind {
  Null,
  Bool,
  Number,
  Text,
  Array,
  Object,
}

/** A value of JSON. */
export class Json {
  private constructor(private readonly kind: Kind) {}

  /** A text as it is; a number as it is written; `true` or `false`. */
  private word: string = ''
  private items: Json[] = []
  private keys: string[] = []

  static null(): Json {
    return new Json(Kind.Null)
  }
  static bool(value: bool): Json {
    return Json.of(Kind.Bool, value ? 'true' : 'false')
  }
  static integer(value: i64): Json {
    return Json.of(Kind.Number, value.toString())
  }
  static number(value: f64): Json {
    return isFinite(value) ? Json.of(Kind.Number, value.toString()) : Json.null()
  }
  static text(value: string): Json {
    return Json.of(Kind.Text, value)
  }
  static array(items: Json[] = []): Json {
    const made = new Json(Kind.Array)
    made.items = items
    return made
  }
  static object(): Json {
    return new Json(Kind.Object)
  }
  private static of(kind: Kind, word: string): Json {
    const made = new Json(kind)
    made.word = word
    return made
  }

  get isNull(): bool {
    return this.kind == Kind.Null
  }

  /** The value of a key; null where there is none. */
  get(key: string): Json {
    const at = this.keys.indexOf(key)
    return at < 0 ? Json.null() : this.items[at]
  }

  /** Puts a value into an object, and gives the object back. */
  set(key: string, value: Json): Json {
    this.expect(Kind.Object, 'an object')
    const at = this.keys.indexOf(key)
    if (at < 0) {
      this.keys.push(key)
      this.items.push(value)
    } else {
      this.items[at] = value
    }
    return this
  }

  /** What is in an array. */
  asArray(): Json[] {
    this.expect(Kind.Array, 'an array')
    return this.items
  }
  /** The keys of an object, in their order. */
  asKeys(): string[] {
    this.expect(Kind.Object, 'an object')
    return this.keys
  }
  asText(): string {
    this.expect(Kind.Text, 'a text')
    return this.word
  }
  asBool(): bool {
    this.expect(Kind.Bool, 'true or false')
    return this.word == 'true'
  }
  asNumber(): f64 {
    this.expect(Kind.Number, 'a number')
    return F64.parseFloat(this.word)
  }
  /** A whole number; 3e2 and 300.0 are some too. */
  asInteger(): i64 {
    this.expect(Kind.Number, 'a number')
    const isPlain = !this.word.includes('.') && !this.word.includes('e') && !this.word.includes('E')
    return isPlain ? I64.parseInt(this.word) : <i64>F64.parseFloat(this.word)
  }

  private expect(kind: Kind, what: string): void {
    if (this.kind != kind) throw new Error('the JSON is not ' + what + ': ' + this.toString())
  }

  toString(): string {
    const to: string[] = []
    this.write(to)
    return to.join('')
  }

  private write(to: string[]): void {
    switch (this.kind) {
      case Kind.Null:
        to.push('null')
        break
      case Kind.Text:
        quote(to, this.word)
        break
      case Kind.Array:
      case Kind.Object:
        const isObject = this.kind == Kind.Object
        to.push(isObject ? '{' : '[')
        for (let i = 0; i < this.items.length; i++) {
          if (i > 0) to.push(',')
          if (isObject) {
            quote(to, this.keys[i])
            to.push(':')
          }
          this.items[i].write(to)
        }
        to.push(isObject ? '}' : ']')
        break
      default:
        to.push(this.word)
    }
  }

  /** Reads JSON. What is none is a crash, with the place where it ends to be any. */
  static parse(text: string): Json {
    const reader = new Reader(text)
    const value = reader.value()
    if (reader.peek() != 0) throw reader.wrong()
    return value
  }

  /** A number, `true`, `false` or `null`. */
  static plain(word: string): Json | null {
    if (word == 'null') return Json.null()
    if (word == 'true' || word == 'false') return Json.of(Kind.Bool, word)
    const first = word.charCodeAt(word.startsWith('-') ? 1 : 0)
    return first >= 0x30 && first <= 0x39 && !isNaN(F64.parseFloat(word)) ? Json.of(Kind.Number, word) : null
  }
}

function quote(to: string[], text: string): void {
  to.push('"')
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code != 0x22 && code != 0x5c && code >= 0x20) continue
    to.push(text.substring(from, i))
    to.push(code < 0x20 ? '\\u' + code.toString(16).padStart(4, '0') : '\\' + text.charAt(i))
    from = i + 1
  }
  to.push(text.substring(from))
  to.push('"')
}

class Reader {
  private at: i32 = 0

  constructor(private readonly text: string) {}

  wrong(): Error {
    return new Error('no JSON at character ' + this.at.toString())
  }

  /** The next character that is no space; 0 at the end. */
  peek(): i32 {
    while (this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at)
      if (code != 0x20 && code != 0x09 && code != 0x0a && code != 0x0d) return code
      this.at++
    }
    return 0
  }

  private next(code: i32): bool {
    const is = this.peek() == code
    if (is) this.at++
    return is
  }

  value(): Json {
    if (this.peek() == 0x22) return Json.text(this.string())
    if (this.next(0x7b)) return this.object()
    if (this.next(0x5b)) return this.array()
    const from = this.at
    while (this.at < this.text.length && isPlain(this.text.charCodeAt(this.at))) this.at++
    const value = Json.plain(this.text.substring(from, this.at))
    if (value === null) throw this.wrong()
    return value
  }

  private object(): Json {
    const made = Json.object()
    if (this.next(0x7d)) return made
    do {
      if (this.peek() != 0x22) throw this.wrong()
      const key = this.string()
      if (!this.next(0x3a)) throw this.wrong()
      made.set(key, this.value())
    } while (this.next(0x2c))
    if (!this.next(0x7d)) throw this.wrong()
    return made
  }

  private array(): Json {
    const items: Json[] = []
    if (this.next(0x5d)) return Json.array(items)
    do items.push(this.value())
    while (this.next(0x2c))
    if (!this.next(0x5d)) throw this.wrong()
    return Json.array(items)
  }

  private string(): string {
    const parts: string[] = []
    let from = ++this.at
    while (true) {
      if (this.at >= this.text.length) throw this.wrong()
      const code = this.text.charCodeAt(this.at)
      if (code == 0x22) break
      if (code != 0x5c) {
        this.at++
        continue
      }
      parts.push(this.text.substring(from, this.at))
      parts.push(this.escape())
      from = this.at
    }
    parts.push(this.text.substring(from, this.at++))
    return parts.join('')
  }

  private escape(): string {
    this.at += 2
    const code = this.text.charCodeAt(this.at - 1)
    const at = 'bfnrt'.indexOf(String.fromCharCode(code))
    if (at >= 0) return '\b\f\n\r\t'.charAt(at)
    if (code != 0x75) return String.fromCharCode(code)
    this.at += 4
    return String.fromCharCode(<i32>I32.parseInt(this.text.substring(this.at - 4, this.at), 16))
  }
}

/** Whether a character can be part of a number or a word. */
function isPlain(code: i32): bool {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a) || code == 0x2b || code == 0x2d || code == 0x2e || code == 0x45
}
