/** The public REST interface, and nothing else. Every failure is an ApiProblem. */
import type {
  Appeal,
  AuditEntry,
  BlindWindow,
  Call,
  ConflictRule,
  Dictionaries,
  HiddenEntry,
  HistoryEntry,
  Link,
  Listening,
  OpenSession,
  OwnCase,
  Page,
  Reconciliation,
  WhoAmI,
} from './types'

const BASE = 'api/v1'
const TIMEOUT_MS = 15_000

/** What the server refused and why (RFC 9457). `status` 0: the server was not reached at all. */
export class ApiProblem extends Error {
  readonly status: number
  readonly slug: string
  readonly detail: string
  readonly missing: string[]
  /** A code of the rights table, when they refused. */
  readonly reason: string | null
  readonly retryAfterS: number | null

  constructor(status: number, body: Record<string, unknown>, retryAfter: string | null = null) {
    super(String(body['detail'] ?? body['title'] ?? status))
    this.name = 'ApiProblem'
    this.status = status
    this.slug = String(body['type'] ?? '').split(/[/:#]/).pop() ?? ''
    this.detail = String(body['detail'] ?? body['title'] ?? '')
    this.missing = Array.isArray(body['missing']) ? body['missing'].map(String) : []
    this.reason = typeof body['reason'] === 'string' ? body['reason'] : null
    this.retryAfterS = seconds(body['retry_after_s'] ?? retryAfter)
  }
}

export interface Answer<Body> {
  body: Body
  etag: string | null
}

/** Called with each answer's Date header (ms) and, on 401, when a session is over. */
export const watch = {
  serverClock: (_ms: number): void => undefined,
  signedOut: (): void => undefined,
  /** Something must be done first: 403 `duty`. */
  duty: (): void => undefined,
  /** Whether nobody has touched the screen for long: what it then reads by itself is no use of the session. */
  unattended: (): boolean => false,
}

export type Query = Record<string, string | number | undefined>

export const api = {
  signIn: (login: string, password: string, code?: string) =>
    send<WhoAmI>('POST', '/session', { body: { login, password, ...(code ? { code } : {}) } }),
  signOut: () => send<null>('DELETE', '/session'),
  session: () => send<WhoAmI>('GET', '/session'),
  changePassword: (old: string, fresh: string) =>
    send<null>('PATCH', '/session/password', { body: { old, new: fresh } }),
  beginSecondFactor: (password: string, code?: string) =>
    send<{ secret: string; uri: string }>('POST', '/session/second-factor', {
      body: { password, ...(code ? { code } : {}) },
    }).then((answer) => answer.body),
  confirmSecondFactor: (code: string) => send<null>('POST', '/session/second-factor/confirm', { body: { code } }),
  mySessions: () => get<{ items: OpenSession[] }>('/me/sessions'),
  endSession: (id: string) => send<null>('DELETE', `/me/sessions/${encodeURIComponent(id)}`),
  endOtherSessions: () => send<null>('DELETE', '/me/sessions'),
  audit: (query: Query, signal?: AbortSignal) => get<Page<AuditEntry>>(`/audit${queryText(query)}`, signal),
  listenings: (query: Query, signal?: AbortSignal) => get<Page<Listening>>(`/listening-log${queryText(query)}`, signal),
  dictionaries: () => get<Dictionaries>('/dictionaries'),
  links: () => get<{ items: Link[] }>('/links'),
  appeals: (query: Query, signal?: AbortSignal) => get<Page<Appeal>>(`/appeals${queryText(query)}`, signal),
  appeal: (number: number) => send<Appeal | OwnCase>('GET', `/appeals/${number}`),
  history: (number: number) => get<{ items: (HistoryEntry | HiddenEntry)[] }>(`/appeals/${number}/history`),
  take: (number: number, etag: string | null) => send<unknown>('POST', `/appeals/${number}/take`, { etag }),
  resolve: (number: number, form: Resolution, etag: string | null) =>
    send<unknown>('POST', `/appeals/${number}/resolve`, { body: form, etag }),
  change: (number: number, form: Note, etag: string | null) => send<unknown>('PATCH', `/appeals/${number}`, { body: form, etag }),
  calls: (query: Query, signal?: AbortSignal) => get<Page<Call>>(`/calls${queryText(query)}`, signal),
  peaks: (id: number | string, signal?: AbortSignal) =>
    get<{ rate: number; scale?: number; peaks: number[] }>(`/recordings/${encodeURIComponent(id)}/peaks`, signal),
  audioUrl: (id: number | string) => `${BASE}/recordings/${encodeURIComponent(id)}/audio`,
  blindWindows: () => get<{ items: BlindWindow[] }>('/blind-windows'),
  reconciliation: (day: string) => get<Reconciliation>(`/reconciliation${queryText({ day })}`),
  conflictRule: () => get<ConflictRule>('/conflict-rule'),
  pushTicket: () => send<{ ticket: string; url: string }>('POST', '/push-ticket').then((answer) => answer.body),
}

/** What is not filled in is left out: the server then says what is missing. */
export interface Resolution {
  gist?: string
  category?: string
  result?: string
}

/** What the employee who answered the call may still write down. */
export interface Note {
  gist?: string
  category?: string
  accused?: number
}

interface Sending {
  body?: unknown
  etag?: string | null
  signal?: AbortSignal | undefined
}

async function get<Body>(path: string, signal?: AbortSignal): Promise<Body> {
  return (await send<Body>('GET', path, { signal })).body
}

async function send<Body>(method: string, path: string, sending: Sending = {}): Promise<Answer<Body>> {
  const answer = await reach(method, path, sending)
  const date = Date.parse(answer.headers.get('Date') ?? '')
  if (!Number.isNaN(date)) watch.serverClock(date)
  const body = await content(answer)
  if (answer.ok) return { body: body as Body, etag: answer.headers.get('ETag') }
  const problem = new ApiProblem(answer.status, (body ?? {}) as Record<string, unknown>, answer.headers.get('Retry-After'))
  if (answer.status === 401 && path !== '/session' && problem.slug !== 'second-factor') watch.signedOut()
  if (problem.slug === 'duty') watch.duty()
  throw problem
}

async function reach(method: string, path: string, { body, etag, signal }: Sending): Promise<Response> {
  // The own header proves that the page is press3's: another site can't set it.
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Press3-Client': 'screen' }
  if (watch.unattended()) headers['X-Press3-Unattended'] = '1'
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (etag) headers['If-Match'] = etag
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  const request: RequestInit = { method, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit }
  if (body !== undefined) request.body = JSON.stringify(body)
  try {
    return await fetch(BASE + path, request)
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiProblem(0, { type: 'unreachable', title: 'unreachable' })
  }
}

async function content(answer: Response): Promise<unknown> {
  const text = await answer.text()
  if (!text || !(answer.headers.get('Content-Type') ?? '').includes('json')) return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null // A proxy's page under a JSON label; the status says what matters.
  }
}

function queryText(query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()
  return text ? `?${text}` : ''
}

function seconds(value: unknown): number | null {
  const number = Number(value)
  return value === null || value === undefined || Number.isNaN(number) ? null : number
}
