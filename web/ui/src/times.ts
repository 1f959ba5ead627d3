/** From which two events a reaction time was computed. Pure. */
import type { Appeal, Call, HistoryEntry, TimeName } from './types'

export interface Mark {
  /** Label key under `mark.`. */
  name: string
  at: string | null
  /** The call the event belongs to; null when it is an act of an employee. */
  call: string | null
}

export interface Evidence {
  from: Mark
  to: Mark
}

/** Return where each time begins and ends. A moment the server does not give is null, never guessed. */
export function evidence(appeal: Appeal, history: readonly HistoryEntry[]): Record<TimeName, Evidence> {
  const calls = appeal.calls ?? []
  const press = pressCall(calls)
  const contact = firstContact(calls, appeal.opened_at)
  const of = (name: string, call: Call | null, at: string | null | undefined): Mark => ({
    name,
    at: at ?? null,
    call: call?.id ?? null,
  })
  const act = (name: string, at: string | null): Mark => ({ name, at, call: null })
  const pressed = of('pressed', press, press?.pressed_at)
  const opened = act('opened', appeal.opened_at)
  return {
    queue_wait_s: {
      from: of('queue_entered', press, press?.queue_entered_at),
      to: of('queue_left', press, press?.queue_left_at),
    },
    wait_s: { from: pressed, to: of('answered', press, press?.answered_at) },
    abandoned_after_s: { from: pressed, to: of('hung_up', press, press?.ended_at) },
    ring_s: {
      from: of('first_ring', press, press?.first_ring_at),
      to: of('leg_answered', press, firstAnswer(press)),
    },
    first_contact_s: { from: opened, to: of('first_contact', contact?.call ?? null, contact?.at) },
    take_s: { from: opened, to: act('taken', actAt(history, 'take')) },
    resolution_s: { from: opened, to: act('resolved', actAt(history, 'resolve')) },
  }
}

/** Where a click on a time goes: the call that proves it, the pressed-3 call when an act does. */
export function proof(mark: Evidence): string | null {
  return mark.to.call ?? mark.from.call
}

export function pressCall(calls: readonly Call[]): Call | null {
  return byTime(calls).find((call) => call.pressed_at !== null) ?? null
}

export function byTime(calls: readonly Call[]): Call[] {
  return [...calls].sort((a, b) => moment(a) - moment(b))
}

/** The earliest talk after the opening: a call that an operator had answered before does not count. */
function firstContact(calls: readonly Call[], openedAt: string): { call: Call; at: string } | null {
  const talks = calls.flatMap((call) =>
    [call.answered_at, ...(call.legs ?? []).map((leg) => leg.answered_at)]
      .filter((at): at is string => at !== null && Date.parse(at) >= Date.parse(openedAt))
      .map((at) => ({ call, at })),
  )
  return talks.sort((a, b) => Date.parse(a.at) - Date.parse(b.at))[0] ?? null
}

function firstAnswer(call: Call | null): string | null {
  const times = (call?.legs ?? []).map((leg) => leg.answered_at).filter((at): at is string => at !== null)
  return times.sort((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null
}

function actAt(history: readonly HistoryEntry[], verb: string): string | null {
  return history.find((entry) => entry.action === 'stage' && entry.data?.['verb'] === verb)?.at ?? null
}

function moment(call: Call): number {
  return Date.parse(call.started_at ?? call.pressed_at ?? '') || 0
}
