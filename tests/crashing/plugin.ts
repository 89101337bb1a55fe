// Crashes where `days` is 0: there is no such rule.

import { defineStep, invalid, log } from 'llmhost-plugin'
import * as z from 'zod'

interface Rule {
  days: number
}

function lifecycle(rules: Rule[], days: number): string {
  return rules.find((rule) => rule.days === days)!.days.toString()
}

export const { describe, run } = defineStep({
  summary: 'Crashes.',
  config: z.strictObject({ days: z.int() }),

  run({ days }) {
    log.write('info', 'keeping logs')
    console.debug('this goes to standard error')
    if (days < 0) throw invalid('days must be positive')
    lifecycle([{ days: 7 }], days)
    return {}
  },
})
