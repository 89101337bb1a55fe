// Notes, which a small service keeps (service.py).

import { defineKind, defineProvider, http } from 'llmhost-plugin/provider'
import * as z from 'zod'

// What stands in the provider's `with` table.
const config = z.strictObject({
  url: z.string().describe('Address of the service.'),
  key: z.string().optional().describe('Key of the service: a secret.'),
})

// What the service tells of a note.
const Note = z.object({ id: z.string(), title: z.string(), text: z.string(), revision: z.number() })

const note = defineKind({
  name: 'note',
  summary: 'A note.',
  config,
  spec: z.strictObject({
    title: z.string().describe('What it is called.'),
    text: z.string().default('').describe('What it says.'),
  }),
  immutable: ['title'],
  unique: ['title'],
  outputs: { revision: { description: 'How often it was written.' } },

  create({ config: { url, key }, spec, token }) {
    const { id, revision } = http.json({ method: 'POST', url: `${url}/notes`, bearer: key, body: { ...spec, token }, answer: Note })
    return { id, outputs: { revision } }
  },
  // What a create made whose answer was lost.
  find({ config: { url, key }, token }) {
    const [found] = http.json({ url: `${url}/notes`, query: { token }, bearer: key, answer: z.array(Note) })
    return found && { id: found.id, outputs: { revision: found.revision } }
  },
  // A 404 is an error of the class not-found, which says here and in delete that the note is gone.
  read({ config: { url, key }, id }) {
    const { title, text, revision } = http.json({ url: `${url}/notes/${id}`, bearer: key, answer: Note })
    return { spec: { title, text }, outputs: { revision } }
  },
  update({ config: { url, key }, id, spec }) {
    const { revision } = http.json({ method: 'PUT', url: `${url}/notes/${id}`, bearer: key, body: spec, answer: Note })
    return { revision }
  },
  delete({ config: { url, key }, id }) {
    http.json({ method: 'DELETE', url: `${url}/notes/${id}`, bearer: key })
  },
})

export const kinds = defineProvider({ summary: 'Notes.', config, kinds: [note] })
