// Wraps a module as a component: componentize.cjs PACKAGES WIT ENTRY ROOT OUT
const { readFileSync, writeFileSync } = require('node:fs')
const { resolve } = require('node:path')

const [packages, wit, entry, root, out] = process.argv.slice(2)
const { componentize } = require(require.resolve('componentize-qjs', { paths: [packages] }))
componentize({
  witPath: resolve(wit),
  world: 'guest',
  jsSource: readFileSync(entry, 'utf8'),
  jsPath: resolve(entry),
  moduleRoot: resolve(root),
  // The sandbox has no async calls.
  sync: true,
}).then(
  ({ component }) => writeFileSync(out, component),
  (error) => {
    console.error(error.message)
    process.exitCode = 1
  },
)
