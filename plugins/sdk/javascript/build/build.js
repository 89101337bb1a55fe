// Makes a plugin a component: bundles its modules, writes the world that they import, and wraps both.
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TraceMap, eachMapping } from '@jridgewell/trace-mapping'
import { componentize } from 'componentize-qjs'
import * as esbuild from 'esbuild'
import { mapped } from '../src/stack.js'

const WIT = fileURLToPath(new URL('../wit', import.meta.url))

/** Builds the component `out` from the module `entry`: for the world 'guest' of a project's WIT, or for one of what it imports. */
export async function build(entry, out, project) {
  const { code, imports, sources } = await bundle(entry)
  const work = await mkdtemp(join(tmpdir(), 'llmhost-build-'))
  try {
    const wit = project ?? join(work, 'wit')
    if (!project) await writeWorld(wit, imports)
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
  const exported = ['describe', 'run'].filter((name) => !output.exports.includes(name))
  if (exported.length) throw new Error(`${entry} does not export ${exported.join(' and ')}: export const { describe, run } = defineStep({ … })`)
  const text = (extension) => result.outputFiles.find(({ path }) => path.endsWith(extension)).text
  const imports = output.imports.filter(({ external }) => external).map(({ path }) => path)
  const sources = table(text('.map'))
  const code = `${text('.js')}\nglobalThis.llmhostSources = ${JSON.stringify(sources)};\n`
  return { code, imports: [...new Set(imports)], sources }
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

/** The world of a plugin that imports these interfaces, with the packages that it needs. */
async function writeWorld(folder, imports) {
  const packages = {}
  for (const name of await readdir(WIT)) {
    const texts = await Promise.all((await readdir(join(WIT, name))).map((file) => readFile(join(WIT, name, file), 'utf8')))
    const [, id] = /^package (\S+);/m.exec(texts.join('\n'))
    packages[id] = name
  }
  // `llmhost:aws-s3/s3@0.2.0` is of the package `llmhost:aws-s3@0.2.0`.
  const packageOf = (path) => path.replace(/\/[^@]+/, '')
  const step = Object.keys(packages).find((id) => id.startsWith('llmhost:plugin@'))
  const unknown = imports.filter((path) => !(packageOf(path) in packages))
  if (unknown.length) throw new Error(`there is no interface ${unknown.join(', ')}; there are those of ${Object.keys(packages).join(', ')}`)
  const lines = imports.filter((path) => packageOf(path) !== step).map((path) => `    import ${path};\n`)
  await mkdir(folder, { recursive: true })
  const include = `    include ${step.replace('@', '/step@')};\n`
  await writeFile(join(folder, 'world.wit'), `package llmhost:guest;\n\nworld guest {\n${include}${lines.join('')}}\n`)
  for (const name of new Set([step, ...imports.map(packageOf)].map((id) => packages[id]))) {
    await cp(join(WIT, name), join(folder, 'deps', name), { recursive: true })
  }
}
