// Writes what the package has of the interfaces: generate.mjs WIT OUT makes OUT/wit and OUT/interfaces from the folder WIT
// (a folder for each package, in it one for each version).
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { declaredBy, typesOf } from './wit.mjs'

const [from, out] = process.argv.slice(2)
const VERSION = '0.2.0'
const generated = '// Generated from the WIT.\n'

await rm(join(out, 'wit'), { recursive: true, force: true })
await rm(join(out, 'interfaces'), { recursive: true, force: true })
await mkdir(join(out, 'interfaces'), { recursive: true })
const interfaces = {}, texts = {}
for (const name of await readdir(from)) {
  const folder = join(from, name, VERSION)
  const files = await readdir(folder).catch(() => [])
  if (!files.length) continue
  await cp(folder, join(out, 'wit', name), { recursive: true })
  for (const file of files) {
    const text = await readFile(join(folder, file), 'utf8')
    const [, namespace] = /^package (\S+)@/m.exec(text)
    for (const [, one] of text.matchAll(/^interface (\S+) \{/gm)) {
      interfaces[one] = `${namespace}/${one}@${VERSION}`
      texts[one] = text
    }
  }
}

const world = join(out, 'all')
await rm(world, { recursive: true, force: true })
await cp(join(out, 'wit'), join(world, 'deps'), { recursive: true })
const imports = Object.values(interfaces).filter((id) => !id.startsWith('llmhost:plugin/'))
const lines = imports.map((id) => `    import ${id};\n`).join('')
await writeFile(join(world, 'all.wit'), `package llmhost:all;\n\nworld all {\n    include llmhost:plugin/step@${VERSION};\n${lines}}\n`)
execFileSync('jco', ['guest-types', world, '--world-name', 'all', '--out-dir', join(out, 'types'), '--quiet'], { stdio: 'inherit' })

// What may be left out is filled in by src/check.js.
const optional = (text) => text.replace(/^(    \w+): (boolean|Array<.*>|Tags),$/gm, '$1?: $2,').replaceAll('options: Options)', 'options?: Options)')
let host = generated
for (const name of (await readdir(join(out, 'types', 'interfaces'))).sort()) {
  const text = await readFile(join(out, 'types', 'interfaces', name), 'utf8')
  host += '\n' + optional(text.replace(/^\/\/\/ <reference .*\n/gm, '').replace(/^\/\*\* @module .*\n/gm, ''))
}
await writeFile(join(out, 'interfaces', 'host.d.ts'), host)
const shared = typesOf(texts.types)
for (const [name, id] of Object.entries(interfaces)) {
  const declared = Object.entries(declaredBy(texts[name], typesOf(texts[name], shared)))
  const lines = [`import * as host from '${id}'`, "import { declares } from '../src/check.js'", '', `export * from '${id}'`]
  // An export of its own stands before one of the same name that comes with `*`.
  for (const [resource, spec] of declared) lines.push(`export const ${resource} = declares(host.${resource}, ${JSON.stringify(spec)})`)
  // `types` has nothing to call, so the host has no such module.
  const module = name === 'types' ? 'export {}' : declared.length ? lines.join('\n') : `export * from '${id}'`
  await writeFile(join(out, 'interfaces', `${name}.js`), `${generated}${module}\n`)
  await writeFile(join(out, 'interfaces', `${name}.d.ts`), `/// <reference path="./host.d.ts" />\n${generated}export * from '${id}'\n`)
}
await rm(world, { recursive: true, force: true })
await rm(join(out, 'types'), { recursive: true, force: true })
