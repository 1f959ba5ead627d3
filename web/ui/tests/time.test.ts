import { expect, it } from 'vitest'
import { addDays, clock, dayAt, dayIn, dayStart, due, duration, moment, wall, zoneOffset } from '../src/time'

const UNITS = { d: 'д', h: 'ч', min: 'мин', s: 'с', point: ',' }
const NOON = Date.parse('2026-11-21T12:00:00+03:00')

it.each([
  [null, '—'],
  [0, '0 с'],
  [3.14, '3,1 с'],
  [36.4, '36 с'],
  [59.7, '1 мин'],
  [185, '3 мин 5 с'],
  [900, '15 мин'],
  [7800, '2 ч 10 мин'],
  [86_400 * 3 + 3600 * 4, '3 д 4 ч'],
  [-60, '−1 мин'],
])('%s s reads %s', (seconds, text) => {
  expect(duration(seconds, UNITS)).toBe(text)
})

it('a moment is the wall clock of the service, not of the browser', () => {
  expect(moment('2026-11-21T09:05:06.789+03:00', NOON)).toBe('09:05:06')
  expect(moment('2026-11-20T23:59:00+03:00', NOON)).toBe('20.11 23:59')
  expect(moment('2025-12-31T23:59:00+03:00', NOON)).toBe('31.12.2025 23:59')
  expect(moment('yesterday', NOON)).toBe('—')
  expect(moment(null, NOON)).toBe('—')
})

it('today is the day of the service: 01:00 in Vladivostok is not yesterday', () => {
  const now = Date.parse('2026-11-21T01:30:00+10:00')
  expect(moment('2026-11-21T01:00:00+10:00', now)).toBe('01:00:00')
  expect(dayAt(now, 600)).toBe('2026-11-21')
  expect(dayAt(now, 0)).toBe('2026-11-20')
})

it('reads every RFC 3339 offset', () => {
  expect(wall('2026-11-21T10:00:00Z', 'UTC')?.offsetMin).toBe(0)
  expect(wall('2026-11-21T10:00:00-03:30')?.offsetMin).toBe(-210)
  expect(wall('2026-11-21T10:00:00')).toBeNull()
})

it('a time in UTC is told in the zone of the service, summer time included', () => {
  expect(moment('2026-11-21T06:05:06+00:00', NOON, 'Europe/Moscow')).toBe('09:05:06')
  expect(wall('2026-07-01T22:30:00Z', 'Europe/Berlin')).toEqual({ date: '2026-07-02', time: '00:30:00', offset: '+02:00', offsetMin: 120 })
  expect(zoneOffset(NOON, 'Europe/Berlin')).toBe(60)
  expect(zoneOffset(NOON, 'Nowhere/Land')).toBe(-new Date(NOON).getTimezoneOffset())
})

it('a day begins in the zone of the service', () => {
  expect(dayStart('2026-11-21', '+03:00')).toBe('2026-11-21T00:00:00+03:00')
  expect(dayStart('2026-11-21', '-03:30')).toBe('2026-11-21T00:00:00-03:30')
  expect(addDays('2026-12-31', 1)).toBe('2027-01-01')
})

it('a day in the other half of the year has its own offset, and its end that of the next midnight', () => {
  expect(dayStart('2026-07-15', 'Europe/Berlin')).toBe('2026-07-15T00:00:00+02:00')
  expect(dayStart('2026-10-25', 'Europe/Berlin')).toBe('2026-10-25T00:00:00+02:00')
  expect(dayStart('2026-10-26', 'Europe/Berlin')).toBe('2026-10-26T00:00:00+01:00')
  expect(dayStart('2018-11-04', 'America/Sao_Paulo')).toBe('2018-11-04T00:00:00-03:00')
})

it('today is that of the zone, and does not change with the season of what is shown', () => {
  const now = Date.parse('2026-12-31T23:30:00+01:00')
  expect(dayIn(now, 'Europe/Berlin')).toBe('2026-12-31')
  expect(dayIn(now, 'Europe/Moscow')).toBe('2027-01-01')
  expect(dayIn(now, '+05:45')).toBe('2027-01-01')
  expect(moment('2026-07-15T09:00:00+02:00', now, 'Europe/Berlin')).toBe('15.07 09:00')
})

it('a deadline is soon in its last sixth, or its last half hour', () => {
  const at = (text: string) => Date.parse(`2026-11-21T${text}:00+03:00`)
  const opened = '2026-11-21T10:00:00+03:00'
  const deadline = '2026-11-21T20:00:00+03:00'
  expect(due(opened, null, at('12:00'))).toBe('none')
  expect(due(opened, deadline, at('18:19'))).toBe('later')
  expect(due(opened, deadline, at('18:20'))).toBe('soon')
  expect(due(opened, deadline, at('20:00'))).toBe('overdue')
  expect(due(opened, '2026-11-21T11:00:00+03:00', at('10:31'))).toBe('soon')
})

it('a position in a recording reads like a clock', () => {
  expect([0, 5.9, 65, 3727].map(clock)).toEqual(['0:00', '0:05', '1:05', '1:02:07'])
})
