// Makes a plugin or a provider a component: bundles its modules, writes the world that they import, and wraps both.
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TraceMap, eachMapping } from '@jridgewell/trace-mapping'
import { componentize } from 'componentize-qjs'
import * as esbuild from 'esbuild'
import { mapped } from '../src/stack.js'

const WIT = fileURLToPath(new URL('../wit', import.meta.url))

/** What a plugin and a provider export, and how. */
const STEP = { name: 'step', package: 'plugin', exports: ['describe', 'run'], how: 'export const { describe, run } = defineStep({ … })' }
const PROVIDER = { name: 'provider', package: 'provider', exports: ['kinds'], how: 'export const kinds = defineProvider({ … })' }

/** Builds the component `out` from the module `entry`: for the world 'guest' of a project's WIT, or for one of what it imports. */
export async function build(entry, out, project) {
  const { code, exports, imports, sources } = await bundle(entry)
  const world = await worldOf(entry, exports, project)
  const work = await mkdtemp(join(tmpdir(), 'llmhost-build-'))
  try {
    const wit = project ?? join(work, 'wit')
    if (!project) await writeWorld(wit, world, imports)
    const source = join(work, 'plugin.js')
    await writeFile(source, code)
    // Without component-model async, which llmhost does not have; WASI stays, for standard error.
    const options = { witPath: wit, jsSource: code, jsPath: source, moduleRoot: work, world: 'guest', sync: true, optSize: true }
    const { component } = await componentize(options).catch((error) => {
      throw new Error(`${entry} cannot be made a component: ${mapped(error.message.replace(/^: /, ''), sources).trimEnd()}`)
    })
    await mkdir(dirname(resolve(out)), { recursive: true })
    await writeFile(`${out}.new`, component)
    await rename(`${out}.new`, out)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The entry and what it imports as one module, and which of the host's interfaces that imports. */
async function bundle(entry) {
  const result = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    external: ['llmhost:*'],
    format: 'esm',
    outfile: 'plugin.js',
    write: false,
    metafile: true,
    // Names of functions stay, for stacks.
    minifySyntax: true,
    minifyWhitespace: true,
    target: 'es2023',
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'warning',
  })
  const [output] = Object.values(result.metafile.outputs).filter((output) => output.entryPoint)
  const text = (extension) => result.outputFiles.find(({ path }) => path.endsWith(extension)).text
  const imports = output.imports.filter(({ external }) => external).map(({ path }) => path)
  const sources = table(text('.map'))
  const code = `${text('.js')}\nglobalThis.llmhostSources = ${JSON.stringify(sources)};\n`
  return { code, exports: output.exports, imports: [...new Set(imports)], sources }
}

/** Whether the module is a plugin or a provider: as its project says, or as its exports do. */
async function worldOf(entry, exports, project) {
  const has = ({ exports: all }) => all.every((name) => exports.includes(name))
  const wit = project ? await readFile(join(project, 'world.wit'), 'utf8') : ''
  const isProvider = project ? wit.includes('include llmhost:provider/') : has(PROVIDER)
  const [world, other] = isProvider ? [PROVIDER, STEP] : [STEP, PROVIDER]
  if (has(world)) return world
  const missing = world.exports.filter((name) => !exports.includes(name))
  let hint = project ? '' : `, or of a provider ${other.how}`
  if (has(other)) hint = `; for what it exports, write world = "${other.name}" in llmhost-plugin.toml`
  throw new Error(`${entry} does not export ${missing.join(' and ')}: ${world.how}${hint}`)
}

/** Where the author's own lines are in the bundle, for stacks. Those of packages are not told. */
function table(map) {
  const sources = [], pieces = []
  eachMapping(new TraceMap(map), ({ source, originalLine, originalColumn, generatedLine, generatedColumn }) => {
    if (!source || source.includes('node_modules/')) return
    if (!sources.includes(source)) sources.push(source)
    pieces.push([generatedLine, generatedColumn + 1, sources.indexOf(source), originalLine, originalColumn + 1])
  })
  return { bundle: 'plugin.js', sources, pieces }
}

/** The world of a module that imports these interfaces, with the packages that it needs. */
async function writeWorld(folder, world, imports) {
  const packages = await packagesOf(world)
  // `llmhost:aws-s3/s3@0.2.0` is of the package `llmhost:aws-s3@0.2.0`.
  const unknown = imports.filter((path) => !packages.has(packageOf(path)))
  const all = [...packages.keys()]
  if (unknown.length) throw new Error(`there is no interface ${unknown.join(', ')} for a ${world.package}; there are those of ${all.join(', ')}`)
  const own = all.find((id) => id.startsWith(`llmhost:${world.package}@`))
  // A provider's world has all that there is.
  const more = world === STEP ? imports.filter((path) => packageOf(path) !== own) : []
  const lines = [`include ${own.replace('@', `/${world.name}@`)}`, ...more.map((path) => `import ${path}`)].map((line) => `    ${line};\n`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'world.wit'), `package llmhost:guest;\n\nworld guest {\n${lines.join('')}}\n`)
  const needed = world === STEP ? [own, ...imports.map(packageOf)] : all
  for (const id of new Set(needed)) await cp(packages.get(id), join(folder, 'deps', basename(packages.get(id))), { recursive: true })
}

const packageOf = (path) => path.replace(/\/[^@]+/, '')

/** The folders of the packages of WIT for a world, by their names. */
async function packagesOf(world) {
  const all = new Map(), texts = new Map()
  for (const name of await readdir(WIT)) {
    const files = (await readdir(join(WIT, name))).map((file) => readFile(join(WIT, name, file), 'utf8'))
    const text = (await Promise.all(files)).join('\n')
    const [, id] = /^package (\S+);/m.exec(text)
    all.set(id, join(WIT, name))
    texts.set(id, text)
  }
  const own = [...all.keys()].find((id) => id.startsWith('llmhost:provider@'))
  const provider = new Set([own, ...[...texts.get(own).matchAll(/^ +import (llmhost:\S+);/gm)].map(([, path]) => packageOf(path))])
  // Providers have theirs to themselves, but for what every guest has.
  const isOne = (id) => (world === PROVIDER ? provider.has(id) : id.startsWith('llmhost:plugin@') || !provider.has(id))
  return new Map([...all].filter(([id]) => isOne(id)))
}
