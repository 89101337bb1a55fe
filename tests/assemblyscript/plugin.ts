// Gives back what it is given, after the host gave it back.

import { Access, Color, Nested, Numbers, Places, Point, Shape, Thing, Wide } from '../bindings/test/all/echo'
import * as echo from '../bindings/test/all/echo'
import { AColor, Description, Failure } from '../bindings/world'
import { Option, Result, Unit, err } from '../bindings/runtime'

export function describe(): Description {
  return { summary: 'Gives back what it is given.', configSchema: '{}' }
}
export function run(config: string): Result<string, Failure> {
  return err<string, Failure>({ code: 0, message: config })
}

export function color(value: AColor): Color {
  return echo.sameColor(value)
}
export function access(value: Access): Access {
  return echo.sameAccess(value)
}
export function wide(value: Wide): Wide {
  return echo.sameWide(value)
}
export function point(value: Point): Point {
  return echo.samePoint(value)
}
export function numbers(value: Numbers): Numbers {
  return echo.sameNumbers(value)
}
export function shape(value: Shape): Shape {
  return echo.sameShape(value)
}
export function places(value: Places): Places {
  return echo.samePlaces(value)
}
export function nested(value: Nested): Nested {
  return echo.sameNested(value)
}
export function word(value: string): string {
  return echo.sameWord(value)
}
export function flag(value: bool): bool {
  return echo.sameFlag(value)
}
export function letter(value: u32): u32 {
  return echo.sameLetter(value)
}
export function real(value: f32): f32 {
  return echo.sameReal(value)
}
export function large(value: i64): i64 {
  return echo.sameLarge(value)
}
export function maybe(value: Option<u32>): Option<u32> {
  return echo.sameMaybe(value)
}
export function outcome(value: Result<f64, u32>): Result<f64, u32> {
  return echo.sameOutcome(value)
}
export function bare(value: Result<Unit, Unit>): Result<Unit, Unit> {
  return echo.sameBare(value)
}
export function joined(
  a: string,
  b: string,
  c: string,
  d: string,
  e: string,
  f: string,
  g: string,
  h: string,
  i: u8,
): string {
  return echo.joined(a, b, c, d, e, f, g, h, i)
}

export function things(one: string, other: string): string {
  const first = Thing.create(one)
  const second = Thing.create(other)
  const merged = Thing.merge(first, second)
  if (!merged.isOk) return merged.error
  const name = merged.value.name() + (merged.value.drop() ? '!' : '?')
  second.drop_()
  return name
}

/** Half of a surrogate pair is no text, and what is written in UTF-8 has to be one. */
export function half(): string {
  return 'a' + String.fromCharCode(0xd800) + 'b'
}

const list: u32[] = [1, 2, 3]
// What is outside of functions may call the host.
const first = echo.sameLarge(40)

export function crash(at: u32): u32 {
  if (at == 7) throw new Error('no rule\nhas 7 days')
  return list[at]
}

export function started(): u32 {
  return <u32>first + 2
}
