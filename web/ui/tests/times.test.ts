import { expect, it } from 'vitest'
import { byTime, evidence, proof } from '../src/times'
import type { Appeal, Call, HistoryEntry, Leg } from '../src/types'

const at = (second: number) => new Date(Date.parse('2026-11-21T10:00:00Z') + second * 1000).toISOString()

function leg(rang: number, answered: number | null): Leg {
  return { extension: '101', employee: null, rang_at: at(rang), answered_at: answered === null ? null : at(answered), ended_at: null, outcome: null }
}

function call(id: string, started: number, more: Partial<Call> = {}): Call {
  const base = { id, started_at: at(started), pressed_at: null, answered_at: null, ended_at: null, legs: [] as Leg[] }
  return { ...base, ...more } as unknown as Call
}

const appeal = (calls: Call[]) => ({ opened_at: at(10), calls }) as unknown as Appeal

it('names the call and the moments that each time was computed from', () => {
  const press = call('press', 0, { pressed_at: at(10), ended_at: at(100), answered_at: at(30), first_ring_at: at(14), legs: [leg(15, null), leg(14, 30)] })
  const found = evidence(appeal([call('later', 500, { answered_at: at(510) }), press]), [])
  expect(found.wait_s.from).toEqual({ name: 'pressed', at: at(10), call: 'press' })
  expect(found.wait_s.to).toEqual({ name: 'answered', at: at(30), call: 'press' })
  expect(found.ring_s.from.at).toBe(at(14))
  expect(found.first_contact_s.to).toMatchObject({ at: at(30), call: 'press' })
  expect(proof(found.wait_s)).toBe('press')
})

it('a first ring that nobody heard is not guessed from a later one', () => {
  const press = call('press', 0, { pressed_at: at(10), answered_at: at(30), first_ring_at: null, legs: [leg(15, 30)] })
  expect(evidence(appeal([press]), []).ring_s.from.at).toBeNull()
})

it('first contact may be a later call; a talk before the press is none', () => {
  const press = call('press', 0, { pressed_at: at(10), answered_at: at(5), ended_at: at(60) })
  const back = call('back', 300, { answered_at: at(320) })
  expect(evidence(appeal([press, back]), []).first_contact_s.to).toMatchObject({ at: at(320), call: 'back' })
})

it('acts of employees come from the history; what nobody told is not guessed', () => {
  const history = [{ n: 2, at: at(90), author: null, action: 'stage', data: { verb: 'take' } }] as HistoryEntry[]
  const found = evidence(appeal([]), history)
  expect(found.take_s.to).toEqual({ name: 'taken', at: at(90), call: null })
  expect(found.resolution_s.to.at).toBeNull()
  expect(found.queue_wait_s.from.at).toBeNull()
  expect(proof(found.take_s)).toBeNull()
})

it('calls are in the order of time', () => {
  expect(byTime([call('b', 2), call('a', 1)]).map((one) => one.id)).toEqual(['a', 'b'])
})
