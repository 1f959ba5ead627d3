/**
 * Times as people read them, in the service's local time. A text with an offset of its own carries its
 * wall clock; one in UTC is told in `zone`, the service's (null: the browser's). Pure; `nowMs` is given.
 */

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/
const FIXED = /^[+-]\d\d:\d\d$/
const DAY_MS = 86_400_000

export interface Wall {
  date: string
  time: string
  offsetMin: number
  offset: string
}

/** Return the wall clock of `text`, null when it is no RFC 3339 time. */
export function wall(text: string | null | undefined, zone: string | null = null): Wall | null {
  const parts = text ? RFC3339.exec(text) : null
  if (!parts) return null
  const [, year, month, day, hour, minute, second, offset = 'Z'] = parts as unknown as string[]
  const offsetMin = offsetMinutes(offset)
  if (offsetMin === 0) return wallAt(Date.parse(text ?? ''), zoneOffset(Date.parse(text ?? ''), zone))
  return { date: `${year}-${month}-${day}`, time: `${hour}:${minute}:${second}`, offset, offsetMin }
}

function wallAt(ms: number, offsetMin: number): Wall {
  const shifted = new Date(ms + offsetMin * 60_000).toISOString()
  return { date: shifted.slice(0, 10), time: shifted.slice(11, 19), offset: offsetText(offsetMin), offsetMin }
}

/** Whether this browser knows the zone, so that it can say the offset of any day. */
export function isKnown(zone: string): boolean {
  return formatOf(zone) !== null
}

/** Minutes east of UTC in `zone` (IANA name, or a fixed offset; null or unknown: the browser's) at that moment. */
export function zoneOffset(ms: number, zone: string | null): number {
  if (zone !== null && FIXED.test(zone)) return offsetMinutes(zone)
  const format = zone === null ? null : formatOf(zone)
  if (!format) return -new Date(ms).getTimezoneOffset()
  const parts = Object.fromEntries(format.formatToParts(ms).map((part) => [part.type, part.value]))
  const { year, month, day, hour, minute, second } = parts
  const local = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Math.round((local - ms) / 60_000)
}

const formats = new Map<string, Intl.DateTimeFormat | null>()

function formatOf(zone: string): Intl.DateTimeFormat | null {
  if (!formats.has(zone)) formats.set(zone, makeFormat(zone))
  return formats.get(zone) ?? null
}

function makeFormat(zone: string): Intl.DateTimeFormat | null {
  const digits = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
  try {
    return new Intl.DateTimeFormat('en', { ...digits, hourCycle: 'h23', timeZone: zone })
  } catch {
    return null // A zone that this browser does not know.
  }
}

export function offsetMinutes(offset: string): number {
  if (offset === 'Z') return 0
  const [hours, minutes] = offset.slice(1).split(':').map(Number)
  return (offset.startsWith('-') ? -1 : 1) * ((hours ?? 0) * 60 + (minutes ?? 0))
}

export function offsetText(minutes: number): string {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`
}

/** The calendar day at `nowMs` in a zone `offsetMin` east of UTC, as YYYY-MM-DD. */
export function dayAt(nowMs: number, offsetMin: number): string {
  return new Date(nowMs + offsetMin * 60_000).toISOString().slice(0, 10)
}

/** Today in the zone, not where the browser is. */
export function dayIn(nowMs: number, zone: string | null): string {
  return dayAt(nowMs, zoneOffset(nowMs, zone))
}

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/**
 * The first moment of `day` in `zone`, as RFC 3339 with the offset of that very day. Where clocks jump over
 * midnight it is the moment of the jump; where midnight comes twice, the first. Its twin is calls/days.py.
 */
export function dayStart(day: string, zone: string | null): string {
  const midnight = Date.parse(`${day}T00:00:00Z`)
  const before = zoneOffset(midnight - DAY_MS, zone)
  const after = zoneOffset(midnight + DAY_MS, zone)
  const holds = (offset: number) => zoneOffset(midnight - offset * 60_000, zone) === offset
  const offset = !holds(before) && holds(after) ? after : before
  return `${day}T00:00:00${offsetText(offset)}`
}

/** Today: `14:32:05`. Another day: `21.11 14:32`, with the year when it is not this one. */
export function moment(text: string | null | undefined, nowMs: number, zone: string | null = null): string {
  const at = wall(text, zone)
  if (!at) return '—'
  // Not by the offset of `at`: in the other half of the year that is another one.
  const today = zone === null ? dayAt(nowMs, at.offsetMin) : dayIn(nowMs, zone)
  if (at.date === today) return at.time
  return `${shortDay(at.date, today)} ${at.time.slice(0, 5)}`
}

function shortDay(day: string, today: string): string {
  const [year, month, date] = day.split('-')
  return year === today.slice(0, 4) ? `${date}.${month}` : `${date}.${month}.${year}`
}

/** 21.11.2026 for 2026-11-21. */
export function dayText(day: string): string {
  return day.split('-').reverse().join('.')
}

export interface Units {
  d: string
  h: string
  min: string
  s: string
  /** Between seconds and their tenths. */
  point: string
}

/** Two biggest units: `36 с`, `3 мин 5 с`, `2 ч 10 мин`, `15 мин`, `3 д 4 ч`. Tenths only under ten seconds. */
export function duration(seconds: number | null | undefined, units: Units): string {
  if (seconds === null || seconds === undefined) return '—'
  if (seconds < 0) return `−${duration(-seconds, units)}`
  if (seconds < 10) return `${String(Math.round(seconds * 10) / 10).replace('.', units.point)} ${units.s}`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} ${units.s}`
  const steps: [number, string, number, string][] = [
    [86_400, units.d, 3600, units.h],
    [3600, units.h, 60, units.min],
    [60, units.min, 1, units.s],
  ]
  const [big, bigName, small, smallName] = steps.find(([size]) => whole >= size) ?? [60, units.min, 1, units.s]
  const rest = Math.floor((whole % big) / small)
  return `${Math.floor(whole / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`
}

/** Position in a recording: `0:05`, `1:02:07`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`
}

export type Due = 'none' | 'later' | 'soon' | 'overdue'

/** `soon` is the last sixth of the time given, at least 30 minutes of it, at most its half. */
export function due(openedAt: string, deadlineAt: string | null, nowMs: number): Due {
  if (!deadlineAt) return 'none'
  const left = Date.parse(deadlineAt) - nowMs
  if (left <= 0) return 'overdue'
  const given = Date.parse(deadlineAt) - Date.parse(openedAt)
  return left <= Math.max(given / 6, Math.min(given / 2, 1_800_000)) ? 'soon' : 'later'
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
