// Wraps plugin.js as a component: build.mjs WIT_FOLDER OUT.wasm
import { readFile, writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [wit, out] = process.argv.slice(2);
const source = await readFile(new URL('plugin.js', import.meta.url), 'utf8');
// Without these the component imports nothing but what its world names.
const disableFeatures = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];
const { component } = await componentize(source, { witPath: wit, worldName: 'bucket', disableFeatures });
await writeFile(out, component);
