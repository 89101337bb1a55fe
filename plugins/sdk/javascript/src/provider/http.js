// Requests to the service, with errors that have the classes of a provider's.
import * as host from 'llmhost:http/http@0.2.0'
import { sentence } from '../schema.js'
import { ProviderError } from './error.js'

/** Where a service's message is cut. */
const MESSAGE = 400

const JSON_TYPE = 'application/json'

/** Errors where there is no answer. */
const UNANSWERED = { 'not-granted': 'denied', secret: 'denied', unreachable: 'unreachable', timeout: 'unreachable', protocol: 'unreachable' }

/** Errors that a status says. */
const STATUSES = { 401: 'denied', 403: 'denied', 404: 'not-found', 409: 'conflict', 429: 'throttled' }

export function send({ method = 'GET', url, query = {}, headers = {}, bearer, basic, body, follow = false }) {
  const all = given(bearer) ? { authorization: `Bearer ${bearer}`, ...headers } : headers
  const request = { method, url: withQuery(url, query), headers: Object.entries(all), basic, body, follow }
  try {
    const response = host.send(request)
    return { ...response, headers: Object.fromEntries(response.headers) }
  } catch (error) {
    throw unanswered(error, method)
  }
}

export function json({ body, headers = {}, answer, ...request }) {
  const has = given(body)
  const all = { accept: JSON_TYPE, ...(has && { 'content-type': JSON_TYPE }), ...headers }
  const response = send({ ...request, headers: all, body: has ? JSON.stringify(body) : undefined })
  if (response.status < 200 || response.status > 299) throw refused(response, request)
  return read(response, answer, request)
}

const given = (value) => value !== undefined && value !== null

function withQuery(url, query) {
  const all = Object.entries(query).filter(([, value]) => given(value))
  const text = all.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
  return text ? `${url}${url.includes('?') ? '&' : '?'}${text}` : url
}

/** Why there was no answer. */
function unanswered(error, method) {
  const { class: reason, message, advice, mayHaveReached } = error?.payload ?? {}
  if (reason === undefined) return error
  // The service may have done what it was asked for, so that it has to be looked for.
  const isOpen = mayHaveReached && method !== 'GET' && method !== 'HEAD'
  return new ProviderError(UNANSWERED[reason] ?? (isOpen ? 'service' : 'invalid'), message, { advice })
}

/** What a status that is no success says. */
function refused({ status, headers, body }, request) {
  const errorClass = STATUSES[status] ?? (status >= 500 ? 'service' : 'invalid')
  const { code = `HTTP ${status}`, message } = reasonOf(body)
  const moved = status < 400 && headers.location ? `it is at ${headers.location}` : undefined
  return new ProviderError(errorClass, `${called(request)}: ${cut(message ?? moved ?? `status ${status}`)}`, { code })
}

/** The service's own words, in the forms that are in use. */
function reasonOf(body) {
  let told
  try {
    told = JSON.parse(body)
  } catch {
    return { message: body.trim() || undefined }
  }
  const text = (value) => (typeof value === 'string' && value.trim() ? value.trim() : undefined)
  const inner = [told?.error, told?.errors?.[0]].find((one) => typeof one === 'object' && one !== null) ?? told
  const messages = [inner?.message, inner?.detail, inner?.title, told?.message, told?.error_description, told?.error, told?.errors?.[0], told]
  return { code: text(inner?.code) ?? text(told?.code), message: messages.map(text).find(Boolean) ?? body.trim() }
}

function read({ body }, answer, request) {
  let value = null
  try {
    if (body.trim()) value = JSON.parse(body)
  } catch {
    throw new ProviderError('service', `${called(request)}: the answer is not JSON: ${cut(body.trim())}`)
  }
  if (!answer) return value
  const { success, data, error } = answer.safeParse(value)
  if (success) return data
  throw new ProviderError('service', `${called(request)}: the answer is not as expected: ${cut(error.issues.map(sentence).join('; '))}`)
}

/** The request in a message. A query may hold what is nobody's business. */
const called = ({ method = 'GET', url }) => `${method} ${url.split('?')[0]}`

const cut = (text) => (text.length > MESSAGE ? `${text.slice(0, MESSAGE)}…` : text)
