import { write } from 'llmhost:plugin/log@0.2.0'

// Crashes where `days` is 0: there is no such rule.
function lifecycle(rules, days) {
  return rules.find((rule) => rule.days === days).days.toString()
}

export function describe() {
  return { summary: 'Crashes.', configSchema: '{}', outputs: [], needs: [] }
}

export function run(config) {
  const { days } = JSON.parse(config)
  write('info', 'keeping logs')
  console.error('this goes to \u001b[31mstandard error')
  if (days < 0) throw Object.assign(new Error('days must be positive'), { payload: { code: 'invalid', message: 'days must be positive' } })
  return lifecycle([{ days: 7 }], days)
}
