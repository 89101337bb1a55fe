// Write an llmhost plugin in JavaScript or TypeScript. index.d.ts documents it.
import './console.js'
import * as log from 'llmhost:plugin/log@0.2.0'

export { log }
export { isKnown } from 'llmhost:plugin/values@0.2.0'
export { failure, failureOf, invalid } from './failure.js'
export { Names, nameOf, pointer, written } from './names.js'
export { Output, defineStep } from './step.js'
