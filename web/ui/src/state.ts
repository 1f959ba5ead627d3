/**
 * What the screen knows from the socket, as a pure fold: `apply(state, message)` returns the next state.
 *
 * A snapshot plus the events after it give the same cards as a fresh snapshot. An event that was
 * already applied (its `seq` is not newer) changes nothing, so a resumed socket can't show anything twice.
 */
import type { LiveEvent, Named, Party, PopData, Snapshot, SnapshotCall, Welcome } from './types'

export type CardPhase = 'ringing' | 'current' | 'over'

/** One call at this person's telephone. `reason` says why it is over; null while it is not. */
export interface Card {
  id: string
  phase: CardPhase
  round: number
  call: string
  caller: Party
  customer: Named | null
  appeal: number | null
  openAppeals: number[]
  acked: boolean
  since: string | null
  reason: string | null
}

/** A pressed-3 call whose pop nobody looked at: told to supervisors. */
export interface Unseen {
  seq: number
  at: string
  call: string
  appeal: number | null
}

export interface LiveState {
  /** The newest event applied; null before the first welcome. */
  seq: number | null
  /** Grows when a snapshot stood in for events that were not seen: lists must be read afresh. */
  epoch: number
  cards: Card[]
  recent: Card[]
  unseen: Unseen[]
  /** Appeal number → seq of the last event about it. */
  touched: Readonly<Record<number, number>>
  /** Call id → seq of the last event about it. */
  touchedCalls: Readonly<Record<string, number>>
  deadlines: Readonly<Record<number, 'due_soon' | 'overdue'>>
  /** seq of the last event that may have added a row to the list of appeals, calls or links. */
  openedSeq: number
  callSeq: number
  linkSeq: number
}

export const RECENT_LIMIT = 5

export function initial(): LiveState {
  return {
    seq: null,
    epoch: 0,
    cards: [],
    recent: [],
    unseen: [],
    touched: {},
    touchedCalls: {},
    deadlines: {},
    openedSeq: 0,
    callSeq: 0,
    linkSeq: 0,
  }
}

export function apply(state: LiveState, message: Welcome | LiveEvent): LiveState {
  if (isWelcome(message)) return message.snapshot ? replaced(state, message.snapshot, message.seq) : state
  if (state.seq !== null && message.seq <= state.seq) return state
  const fold = FOLDS[message.type]
  const next = fold ? fold(state, message) : state
  return { ...next, seq: message.seq }
}

/** The person said «Видел»: known here at once, the server is told by the socket. */
export function acked(state: LiveState, id: string): LiveState {
  return { ...state, cards: state.cards.map((card) => (card.id === id ? { ...card, acked: true } : card)) }
}

export function dismissed(state: LiveState, seq: number): LiveState {
  return { ...state, unseen: state.unseen.filter((one) => one.seq !== seq) }
}

function isWelcome(message: Welcome | LiveEvent): message is Welcome {
  return message.type === 'welcome'
}

type Fold = (state: LiveState, event: LiveEvent) => LiveState

const FOLDS: Record<string, Fold> = {
  'pop.shown': popShown,
  'pop.withdrawn': popWithdrawn,
  'pop.unseen': popUnseen,
  'appeal.opened': (state, event) => ({ ...appealTouched(state, event), openedSeq: event.seq }),
  'appeal.changed': appealTouched,
  'call.left': (state, event) => over(state, (card) => card.call === event.data['call'], 'left'),
  'call.ended': callEnded,
  'recording.ready': callTouched,
  'deadline.due_soon': (state, event) => deadline(state, event, 'due_soon'),
  'deadline.overdue': (state, event) => deadline(state, event, 'overdue'),
  'link.lost': (state, event) => ({ ...state, linkSeq: event.seq }),
  'link.restored': (state, event) => ({ ...state, linkSeq: event.seq }),
}

function popShown(state: LiveState, event: LiveEvent): LiveState {
  const data = event.data as unknown as PopData
  const id = String(data.pop_id)
  const known = [...state.cards, ...state.recent].find((card) => card.id === id)
  const card: Card = {
    ...cardOf(data, event.at),
    acked: known?.acked ?? isAcked(data),
    since: known?.since ?? event.at,
  }
  const cards = state.cards.some((one) => one.id === id)
    ? state.cards.map((one) => (one.id === id ? card : one))
    : [card, ...state.cards]
  return { ...state, cards, recent: state.recent.filter((one) => one.id !== id), touched: shown(state, card, event.seq) }
}

/** An operator may read an appeal from the moment it rings at his telephone: lists must look again. */
function shown(state: LiveState, card: Card, seq: number): LiveState['touched'] {
  return card.appeal === null ? state.touched : { ...state.touched, [card.appeal]: seq }
}

function popWithdrawn(state: LiveState, event: LiveEvent): LiveState {
  const id = String(event.data['pop_id'])
  const reason = String(event.data['reason'] ?? 'unknown')
  if (reason !== 'answered_here') return over(state, (card) => card.id === id, reason)
  const cards = state.cards.map((card) => (card.id === id ? answered(card, event.at) : card))
  return { ...state, cards }
}

function popUnseen(state: LiveState, event: LiveEvent): LiveState {
  const { call, appeal } = event.data as { call: string; appeal: number | null }
  const unseen = [{ seq: event.seq, at: event.at, call, appeal }, ...state.unseen]
  return { ...state, unseen: unseen.slice(0, RECENT_LIMIT) }
}

function appealTouched(state: LiveState, event: LiveEvent): LiveState {
  const number = Number(event.data['number'])
  const touched = { ...state.touched, [number]: event.seq }
  const call = event.data['call']
  const cards = typeof call === 'string' ? withAppeal(state.cards, call, number) : state.cards
  return { ...state, touched, cards }
}

/** A pop may ring a moment before its appeal is there: the card learns the number when it comes. */
function withAppeal(cards: Card[], call: string, number: number): Card[] {
  return cards.map((card) => (card.call === call && card.appeal === null ? { ...card, appeal: number } : card))
}

function callTouched(state: LiveState, event: LiveEvent): LiveState {
  const call = String(event.data['call'])
  const touchedCalls = { ...state.touchedCalls, [call]: event.seq }
  const appeal = event.data['appeal']
  const touched = typeof appeal === 'number' ? { ...state.touched, [appeal]: event.seq } : state.touched
  return { ...state, touchedCalls, touched, callSeq: event.seq }
}

function callEnded(state: LiveState, event: LiveEvent): LiveState {
  const call = String(event.data['call'])
  return over(callTouched(state, event), (card) => card.call === call, 'ended')
}

function deadline(state: LiveState, event: LiveEvent, level: 'due_soon' | 'overdue'): LiveState {
  const number = Number(event.data['number'])
  const deadlines = { ...state.deadlines, [number]: level }
  return { ...state, deadlines, touched: { ...state.touched, [number]: event.seq } }
}

function over(state: LiveState, which: (card: Card) => boolean, reason: string): LiveState {
  const gone = state.cards.filter(which).map((card): Card => ({ ...card, phase: 'over', reason }))
  if (gone.length === 0) return state
  const cards = state.cards.filter((card) => !which(card))
  return { ...state, cards, recent: [...gone, ...state.recent].slice(0, RECENT_LIMIT) }
}

/**
 * The snapshot's `calls` are those this person is talking in, its `pops` those that ring.
 * What was on the screen and is in neither ended unseen: it goes to `recent`, not just away.
 */
function replaced(state: LiveState, snapshot: Snapshot, seq: number): LiveState {
  const known = new Map(state.cards.map((card) => [card.call, card]))
  const current = snapshot.calls.map((call) => currentCard(call, known.get(call.id)))
  const talkingIn = new Set(snapshot.calls.map((call) => call.id))
  const ringing = snapshot.pops
    .filter((pop) => !talkingIn.has(pop.call))
    .map((pop) => ringingCard(pop, known.get(pop.call)))
    .reverse() // told oldest first, shown newest first
  const cards = [...ringing, ...current]
  const kept = new Set(cards.map((card) => card.id))
  const gone = over(state, (card) => !kept.has(card.id), 'missed_while_offline')
  const recent = gone.recent.filter((card) => !kept.has(card.id))
  return { ...gone, recent, cards, seq, epoch: state.epoch + 1 }
}

function currentCard(call: SnapshotCall, known: Card | undefined): Card {
  const base = call.pop ? cardOf(call.pop, call.answered_at) : (known ?? cardOfCall(call))
  return answered(base, call.answered_at)
}

function ringingCard(pop: PopData, known: Card | undefined): Card {
  const card = cardOf(pop, null)
  return { ...card, acked: known?.acked ?? isAcked(pop), since: known?.since ?? null }
}

function answered(card: Card, at: string | null): Card {
  return { ...card, phase: 'current', acked: true, since: at ?? card.since }
}

function isAcked(data: PopData): boolean {
  return data.acked === true || typeof data.acked_at === 'string'
}

function cardOf(data: PopData, since: string | null): Card {
  return {
    id: String(data.pop_id),
    phase: 'ringing',
    round: data.round ?? 1,
    call: data.call,
    caller: data.caller,
    customer: data.customer ?? null,
    appeal: data.appeal ?? null,
    openAppeals: data.open_appeals ?? [],
    acked: isAcked(data),
    since,
    reason: null,
  }
}

function cardOfCall(call: SnapshotCall): Card {
  return {
    id: `call:${call.id}`,
    phase: 'current',
    round: 1,
    call: call.id,
    caller: call.from,
    customer: null,
    appeal: call.appeal,
    openAppeals: [],
    acked: true,
    since: call.answered_at,
    reason: null,
  }
}
