import { describe, expect, it } from 'vitest'
import { acked, apply, dismissed, initial, RECENT_LIMIT, type LiveState } from '../src/state'
import type { Call, LiveEvent, PopData, Snapshot, Welcome } from '../src/types'

const AT = '2026-11-21T14:32:05+03:00'

function pop(id: string, more: Partial<PopData> = {}): PopData {
  const caller = { raw: '+79161234567', e164: '+79161234567', name: 'Мария' }
  return { pop_id: id, round: 1, call: `call-${id}`, caller, customer: null, appeal: null, open_appeals: [], ...more }
}

function event(seq: number, type: string, data: object): LiveEvent {
  return { seq, type, at: AT, data: data as Record<string, unknown> }
}

function welcome(seq: number, snapshot: Partial<Snapshot> | null): Welcome {
  return { type: 'welcome', seq, snapshot: snapshot && { pops: [], calls: [], ...snapshot } }
}

function talking(card: PopData): Call & { pop: PopData } {
  const call = { id: card.call, from: card.caller, answered_at: AT, appeal: card.appeal }
  return { ...call, pop: card } as unknown as Call & { pop: PopData }
}

function told(...messages: (Welcome | LiveEvent)[]): LiveState {
  return messages.reduce(apply, initial())
}

const shape = (state: LiveState) => state.cards.map((card) => [card.id, card.phase, card.round]).sort()

describe('a pop', () => {
  it('appears ringing, newest first', () => {
    const state = told(welcome(0, {}), event(1, 'pop.shown', pop('a')), event(2, 'pop.shown', pop('b')))
    expect(state.cards.map((card) => [card.id, card.phase])).toEqual([['b', 'ringing'], ['a', 'ringing']])
  })

  it('makes its appeal readable: lists must look again', () => {
    const state = told(welcome(0, {}), event(1, 'pop.shown', pop('a', { appeal: 7 })), event(2, 'pop.shown', pop('b')))
    expect(state.touched).toEqual({ 7: 1 })
  })

  it('shown again in a new round is the same card and stays seen', () => {
    const once = acked(told(welcome(0, {}), event(1, 'pop.shown', pop('a'))), 'a')
    const state = apply(once, event(2, 'pop.shown', pop('a', { round: 2 })))
    expect(state.cards).toHaveLength(1)
    expect(state.cards[0]).toMatchObject({ round: 2, acked: true, since: AT })
  })

  it('answered here becomes the current call, and ends with the call', () => {
    const answered = told(welcome(0, {}), event(1, 'pop.shown', pop('a')), event(2, 'pop.withdrawn', { pop_id: 'a', reason: 'answered_here' }))
    expect(answered.cards[0]).toMatchObject({ phase: 'current' })
    const ended = apply(answered, event(3, 'call.ended', { call: 'call-a', outcome: 'answered', appeal: 7 }))
    expect(ended.cards).toEqual([])
    expect(ended.recent[0]).toMatchObject({ id: 'a', reason: 'ended' })
    expect(ended.touched).toEqual({ 7: 3 })
  })

  it.each(['answered_elsewhere', 'abandoned', 'timeout', 'rejected', 'transferred', 'unknown'])('withdrawn (%s) is kept to be read', (reason) => {
    const state = told(welcome(0, {}), event(1, 'pop.shown', pop('a')), event(2, 'pop.withdrawn', { pop_id: 'a', reason }))
    expect(state.cards).toEqual([])
    expect(state.recent[0]).toMatchObject({ id: 'a', reason })
  })

  it('that rings again leaves the recent ones', () => {
    const state = told(
      welcome(0, {}),
      event(1, 'pop.shown', pop('a')),
      event(2, 'pop.withdrawn', { pop_id: 'a', reason: 'timeout' }),
      event(3, 'pop.shown', pop('a', { round: 2 })),
    )
    expect(state.recent).toEqual([])
    expect(state.cards[0]).toMatchObject({ phase: 'ringing', round: 2 })
  })

  it('learns the number of the appeal that its call opened', () => {
    const state = told(
      welcome(0, {}),
      event(1, 'pop.shown', pop('a')),
      event(2, 'appeal.opened', { number: 12, version: 1, phase: 'received', call: 'call-a' }),
    )
    expect(state.cards[0]?.appeal).toBe(12)
    expect(state.openedSeq).toBe(2)
  })

  it('whose person left a call that goes on is no longer current', () => {
    const state = told(
      welcome(0, {}),
      event(1, 'pop.shown', pop('a')),
      event(2, 'pop.withdrawn', { pop_id: 'a', reason: 'answered_here' }),
      event(3, 'call.left', { call: 'call-a', pop_id: 'a' }),
    )
    expect(state.recent[0]).toMatchObject({ reason: 'left' })
  })

  it('withdrawn without having been shown changes nothing', () => {
    const state = told(welcome(0, {}), event(1, 'pop.withdrawn', { pop_id: 'x', reason: 'timeout' }))
    expect(shape(state)).toEqual([])
    expect(state.seq).toBe(1)
  })
})

describe('order', () => {
  it('an event that was applied before changes nothing', () => {
    const state = told(welcome(0, {}), event(5, 'pop.shown', pop('a')))
    expect(apply(state, event(5, 'pop.withdrawn', { pop_id: 'a', reason: 'timeout' }))).toBe(state)
    expect(apply(state, event(4, 'pop.withdrawn', { pop_id: 'a', reason: 'timeout' }))).toBe(state)
  })

  it('a welcome without snapshot does not skip the missed events that follow', () => {
    const state = told(welcome(3, {}), welcome(9, null), event(4, 'pop.shown', pop('a')))
    expect(state.seq).toBe(4)
    expect(state.cards).toHaveLength(1)
  })

  it('an unknown type only moves the place in the order', () => {
    const before = told(welcome(0, {}))
    expect(apply(before, event(1, 'weather.changed', {}))).toEqual({ ...before, seq: 1 })
  })
})

describe('a snapshot', () => {
  it('replaces the cards, and what went unseen is said', () => {
    const before = told(welcome(0, {}), event(1, 'pop.shown', pop('a')), event(2, 'pop.shown', pop('b')))
    const state = apply(before, welcome(50, { pops: [pop('b'), pop('c')] }))
    expect(state.cards.map((card) => card.id)).toEqual(['c', 'b'])
    expect(state.recent[0]).toMatchObject({ id: 'a', reason: 'missed_while_offline' })
    expect(state.epoch).toBe(before.epoch + 1)
    expect(state.seq).toBe(50)
  })

  it('keeps what the person had seen', () => {
    const before = acked(told(welcome(0, { pops: [pop('a')] })), 'a')
    expect(apply(before, welcome(9, { pops: [pop('a')] })).cards[0]?.acked).toBe(true)
  })

  it('shows calls that one is in as current', () => {
    const state = told(welcome(4, { calls: [talking(pop('a', { appeal: 3 }))] }))
    expect(state.cards[0]).toMatchObject({ id: 'a', phase: 'current', appeal: 3, since: AT })
  })
})

describe('any history', () => {
  it('gives the same cards as a fresh snapshot, wherever it began', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const { events, snapshots } = randomHistory(seed, 30)
      for (const from of [0, 7, 19]) {
        const start = apply(initial(), welcome(from, snapshots[from] ?? null))
        const followed = events.slice(from).reduce(apply, start)
        const fresh = apply(initial(), welcome(events.length, snapshots[events.length] ?? null))
        expect(shape(followed), `seed ${seed} from ${from}`).toEqual(shape(fresh))
      }
    }
  })
})

/** A server that keeps its own truth: pops ringing, calls being talked in; snapshot[n] is after n events. */
function randomHistory(seed: number, length: number): { events: LiveEvent[]; snapshots: Snapshot[] } {
  const random = generator(seed)
  const ringing = new Map<string, PopData>()
  const current = new Map<string, PopData>()
  const events: LiveEvent[] = []
  const look = (): Snapshot => ({ pops: [...ringing.values()], calls: [...current.values()].map(talking) })
  const snapshots = [look()]
  while (events.length < length) {
    const id = `p${Math.floor(random() * 6)}`
    const [type, data] = step(id, Math.floor(random() * 5), ringing, current)
    events.push(event(events.length + 1, type, data))
    snapshots.push(look())
  }
  return { events, snapshots }
}

function step(id: string, what: number, ringing: Map<string, PopData>, current: Map<string, PopData>): [string, object] {
  const card = ringing.get(id)
  if (what <= 1 && !current.has(id)) {
    const shown = pop(id, { round: (card?.round ?? 0) + 1 })
    ringing.set(id, shown)
    return ['pop.shown', shown]
  }
  if (what === 2 && card) {
    ringing.delete(id)
    current.set(id, card)
    return ['pop.withdrawn', { pop_id: id, reason: 'answered_here' }]
  }
  if (what === 3 && card) {
    ringing.delete(id)
    return ['pop.withdrawn', { pop_id: id, reason: 'timeout' }]
  }
  ringing.delete(id)
  current.delete(id)
  return ['call.ended', { call: `call-${id}`, outcome: 'answered', appeal: null }]
}

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

describe('notices', () => {
  it('keeps a few unseen calls until they are dismissed', () => {
    const many = Array.from({ length: 9 }, (_, n) => event(n + 1, 'pop.unseen', { call: `c${n}`, appeal: n }))
    const state = told(welcome(0, {}), ...many)
    expect(state.unseen).toHaveLength(RECENT_LIMIT)
    expect(dismissed(state, 9).unseen.map((one) => one.seq)).not.toContain(9)
  })

  it('notes deadlines, recordings and links', () => {
    const state = told(
      welcome(0, {}),
      event(1, 'deadline.overdue', { number: 5, name: 'resolve', due_at: AT }),
      event(2, 'recording.ready', { recording: 1, call: 'c', appeal: 6 }),
      event(3, 'link.lost', { pbx: 'main' }),
    )
    expect(state.deadlines).toEqual({ 5: 'overdue' })
    expect(state.touched).toEqual({ 5: 1, 6: 2 })
    expect(state.linkSeq).toBe(3)
  })
})
