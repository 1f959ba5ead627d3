/** The screen's living parts and how they hang together: session, socket, links, clock. */
import { batch, computed, signal } from '@preact/signals'
import { api, ApiProblem, watch } from './api'
import { LiveSocket, type SocketState } from './socket'
import { recall, remember } from './prefs'
import { ring } from './sound'
import { acked, apply, dismissed, initial, type LiveState } from './state'
import { dayIn, isKnown, offsetMinutes, offsetText } from './time'
import type { Dictionaries, Duty, Employee, Link, LiveEvent, Welcome, WhoAmI } from './types'

const LINK_POLL_MS = 10_000
const TICK_MS = 15_000
const SEEN_KEPT = 50
const UNATTENDED_MS = 5 * 60_000

export type SignedIn = 'asking' | 'no' | 'over' | 'yes' | 'unreachable'

export const signedIn = signal<SignedIn>('asking')
export const employee = signal<Employee | null>(null)
/** What must be done before there is a desk. */
export const duty = signal<Duty | null>(null)
/** Whether this service asks for a code, and whether this person has enrolled. */
export const secondFactor = signal<'off' | 'none' | 'on'>('off')
export const dictionaries = signal<Dictionaries | null>(null)
export const live = signal<LiveState>(initial())
export const socketState = signal<SocketState>('connecting')
export const links = signal<Link[]>([])
/** What just happened, said once by the page's polite live region. */
export const notice = signal('')

const skewMs = signal(0)
const tick = signal(Date.now())
/** The server's time, moving in steps: what "overdue" and "today" are judged by. */
export const nowMs = computed(() => tick.value + skewMs.value)
/** The service's zone (IANA name) when it tells; null leaves times in UTC to the browser's zone. */
export const serviceZone = computed(() => dictionaries.value?.timezone ?? null)
const offsetSeen = signal<number | null>(null)
/**
 * The zone that days are counted in: the service's. A browser that does not know it takes the offset of the
 * times that the service sends, which is right except in the other half of the year.
 */
export const dayZone = computed(() => {
  const zone = serviceZone.value
  if (zone !== null && isKnown(zone)) return zone
  return offsetSeen.value === null ? null : offsetText(offsetSeen.value)
})
export const today = computed(() => dayIn(nowMs.value, dayZone.value))

export const maySupervise = computed(() => ['supervisor', 'auditor', 'admin'].includes(employee.value?.role ?? ''))

const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('press3') : null

export const socket = new LiveSocket({
  ticket: api.pushTicket,
  lastSeq: () => live.value.seq,
  onMessage: receive,
  onState: (state) => {
    socketState.value = state
  },
  isFinal: (error) => error instanceof ApiProblem && error.status === 401,
})

let polling: ReturnType<typeof setInterval> | null = null

/** Find out who is signed in (the cookie knows) and begin. Called once, at load. */
export async function begin(): Promise<void> {
  watch.signedOut = () => leave('over')
  watch.serverClock = learnSkew
  watch.duty = () => {
    if (duty.value === null) void askSession()
  }
  watch.unattended = () => performance.now() - touchedAt > UNATTENDED_MS
  for (const kind of ['pointerdown', 'keydown', 'wheel']) addEventListener(kind, touched, { passive: true, capture: true })
  tabs?.addEventListener('message', fromOtherTab)
  setInterval(() => (tick.value = Date.now()), TICK_MS)
  addEventListener('online', () => socket.wake())
  document.addEventListener('visibilitychange', woken)
  await askSession()
}

export async function askSession(): Promise<void> {
  signedIn.value = 'asking'
  try {
    enter((await api.session()).body)
  } catch (error) {
    signedIn.value = error instanceof ApiProblem && error.status === 401 ? 'no' : 'unreachable'
  }
}

export async function signIn(login: string, password: string, code?: string): Promise<void> {
  enter((await api.signIn(login, password, code)).body)
}

/** Sign out here and in the other tabs. The screen is cleared even when the server can't be told. */
export async function signOut(): Promise<void> {
  leave('no')
  tabs?.postMessage({ type: 'signed-out' })
  await api.signOut().catch(() => undefined)
}

export function ack(id: string): void {
  live.value = acked(live.value, id)
  remember('seen', JSON.stringify([...seen(), id].slice(-SEEN_KEPT)))
  socket.ack(id)
  tabs?.postMessage({ type: 'ack', id })
}

export function dismissUnseen(seq: number): void {
  live.value = dismissed(live.value, seq)
}

/** Remember the offset of a time the server sent. */
export function learnZone(text: string | null | undefined): void {
  const offset = text?.match(/[+-]\d\d:\d\d$/)?.[0]
  if (offset && offsetMinutes(offset) !== 0) offsetSeen.value = offsetMinutes(offset)
}

function enter(who: WhoAmI): void {
  batch(() => {
    employee.value = who.employee
    duty.value = who.duty ?? null
    secondFactor.value = who.second_factor ?? 'off'
    live.value = initial()
    signedIn.value = 'yes'
  })
  if (duty.value !== null) return pause()
  socket.start()
  void readDictionaries()
  void readLinks()
  polling ??= setInterval(() => void readLinks(), LINK_POLL_MS)
}

/** Nothing is live as long as nobody is signed in, or something must be done first. */
function pause(): void {
  socket.stop()
  if (polling !== null) clearInterval(polling)
  polling = null
}

function leave(why: SignedIn): void {
  pause()
  batch(() => {
    employee.value = null
    duty.value = null
    live.value = initial()
    links.value = []
    dictionaries.value = null
    signedIn.value = why
  })
}

let touchedAt = performance.now()
function touched(): void {
  touchedAt = performance.now()
}

function receive(message: Welcome | LiveEvent): void {
  tick.value = Date.now()
  const before = live.value
  const next = withSeen(apply(before, message))
  if (next === before) return
  live.value = next
  if ('at' in message) learnZone(message.at)
  if (next.linkSeq !== before.linkSeq || next.epoch !== before.epoch) void readLinks()
  const known = new Set([...before.cards, ...before.recent].map((card) => card.id))
  for (const card of next.cards) {
    if (card.phase === 'ringing' && !card.acked && !known.has(card.id)) void ring(card.id)
  }
}

/** A snapshot does not say what this person has seen; the browser remembers it over a reload. */
function withSeen(state: LiveState): LiveState {
  const ids = seen()
  return state.cards
    .filter((card) => !card.acked && ids.includes(card.id))
    .reduce((known, card) => acked(known, card.id), state)
}

function seen(): string[] {
  try {
    return JSON.parse(recall('seen') ?? '[]') as string[]
  } catch {
    return []
  }
}

async function readDictionaries(): Promise<void> {
  try {
    dictionaries.value = await api.dictionaries()
  } catch {
    dictionaries.value = null // Codes are shown instead of names; asked again with the next links.
  }
}

/** Also the screen's pulse: when the server can't be reached, the socket is not believed either. */
async function readLinks(): Promise<void> {
  try {
    links.value = (await api.links()).items
    for (const one of links.value) learnZone(one.since)
    if (!dictionaries.value) await readDictionaries()
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 0) socket.suspect()
  }
}

function woken(): void {
  if (document.visibilityState !== 'visible') return
  tick.value = Date.now()
  socket.wake()
}

function learnSkew(serverMs: number): void {
  const skew = serverMs - Date.now()
  // The Date header has whole seconds: smaller differences say nothing.
  if (Math.abs(skew - skewMs.value) > 2000) skewMs.value = skew
}

function fromOtherTab(message: MessageEvent): void {
  const said = message.data as { type: string; id?: string }
  if (said.type === 'ack' && said.id) live.value = acked(live.value, said.id)
  if (said.type === 'signed-out' && signedIn.value === 'yes') leave('over')
}
