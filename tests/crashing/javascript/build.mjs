// Wraps plugin.js as a component: build.mjs WIT_FOLDER OUT.wasm
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [wit, out] = process.argv.slice(2);
// Without these the component imports what its world names and standard error, where it says why it crashed.
const disableFeatures = ['random', 'clocks', 'http', 'fetch-event'];
const { component } = await componentize({ sourcePath: 'entry.js', witPath: wit, worldName: 'bucket', disableFeatures });
await writeFile(out, component);
