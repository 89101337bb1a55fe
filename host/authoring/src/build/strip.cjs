// Takes the types out of TypeScript, in place: strip.cjs PACKAGES FROM TO
const { cpSync, readFileSync, readdirSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

const [packages, from, to] = process.argv.slice(2)
const { transformSync } = require(require.resolve('amaro', { paths: [packages] }))
cpSync(from, to, { recursive: true })
for (const name of readdirSync(to, { recursive: true })) {
  if (!name.endsWith('.ts')) continue
  const file = join(to, name)
  try {
    writeFileSync(file, transformSync(readFileSync(file, 'utf8'), { mode: 'strip-only' }).code)
  } catch (error) {
    console.error(`${join('src', name)}: ${error.message}`)
    process.exitCode = 1
  }
}
