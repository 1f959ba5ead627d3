/** Small things that many places show: a moment, a duration, a caller, a state, a failure. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { agentName } from '../agent'
import { ApiProblem } from '../api'
import { label, t } from '../i18n'
import { explain } from '../problems'
import { nowMs, serviceZone } from '../store'
import { due, duration, moment, wall } from '../time'
import type { Appeal, Named, Party, Phase } from '../types'

export function Moment({ at }: { at: string | null | undefined }) {
  const read = wall(at, serviceZone.value)
  if (!at || !read) return <span class="muted">—</span>
  return (
    <time dateTime={at} title={`${read.date} ${read.time} (${read.offset})`}>
      {moment(at, nowMs.value, serviceZone.value)}
    </time>
  )
}

export function seconds(value: number | null | undefined): string {
  return duration(value, { d: t('unit.d'), h: t('unit.h'), min: t('unit.min'), s: t('unit.s'), point: t('unit.point') })
}

const WITHHELD = /^(anonymous|unknown|restricted|private|unavailable|)$/i

/** Who sent a request: the browser by name, what it wrote itself on the pointer. */
export function Agent({ agent }: { agent: string | null }) {
  return agent ? <bdi title={agent}>{agentName(agent)}</bdi> : <>—</>
}

export function numberOf(party: Party | string | null | undefined): string {
  if (!party) return '—'
  if (typeof party === 'string') return party
  if (party.e164) return party.e164
  return WITHHELD.test(party.raw) ? t('caller.anonymous') : party.raw
}

export function whoIs(party: Party): string {
  return party.name ? `${numberOf(party)}, ${party.name}` : numberOf(party)
}

/** Why a link was lost, in our words where we know them. */
export function cause(reason: string): string {
  return label('cause', reason.startsWith('silent') ? 'silent' : reason)
}

/** Where a call went. A word of the dialplan (`s`, `h`, `complaint`) is no number that anybody dialled. */
export function lineOf(party: Party | string | null | undefined): string {
  const dialled = typeof party === 'string' ? party : (party?.e164 ?? party?.raw ?? '')
  return /\d/.test(dialled) ? dialled : '—'
}

/** A stranger's words: a text node, kept apart from our own by direction. */
export function Caller({ party, customer }: { party: Party; customer?: Named | null }) {
  return (
    <span class="caller">
      <bdi class="number">{numberOf(party)}</bdi>
      {party.name ? <bdi class="name">{party.name}</bdi> : null}
      {customer?.name && customer.name !== party.name ? <bdi class="name muted">{customer.name}</bdi> : null}
    </span>
  )
}

export function PhaseMark({ phase }: { phase: Phase }) {
  return <span class={`mark phase-${phase}`}>{label('phase', phase)}</span>
}

const DONE: readonly Phase[] = ['responded', 'verified', 'closed', 'rejected']

/** The deadline with its state in words; a case that is done only keeps its date. */
export function Deadline({ appeal }: { appeal: Appeal }) {
  const { deadline_at: at, opened_at: opened } = appeal
  if (!at) return <span class="muted">{t('due.none')}</span>
  if (DONE.includes(appeal.phase)) return <Moment at={at} />
  const state = due(opened, at, nowMs.value)
  const left = coarse(Math.abs(Date.parse(at) - nowMs.value) / 1000)
  const text = { none: '', later: t('due.left', { left }), soon: t('due.soon', { left }), overdue: t('due.overdue', { left }) }
  return (
    <span class={`due due-${state}`}>
      <Moment at={at} />
      <span class="due-text">{text[state]}</span>
    </span>
  )
}

/** Whole minutes: the page is not redrawn every second. */
function coarse(value: number): string {
  return seconds(value < 3600 ? Math.max(1, Math.round(value / 60)) * 60 : value)
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const forbidden = error instanceof ApiProblem && error.slug === 'forbidden' // asking again changes nothing
  return (
    <div class="problem" role="alert">
      <p>
        {forbidden ? null : <strong>{t('error.title')}. </strong>}
        {explain(error)}
      </p>
      {retry && !forbidden ? (
        <button type="button" class="secondary small" onClick={retry}>
          {t('app.retry')}
        </button>
      ) : null}
    </div>
  )
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

/** A question mark that explains `name`: by click or keyboard, above everything, Esc closes it. */
export function Hint({ name, children }: { name: string; children: string }) {
  const id = useId()
  const button = useRef<HTMLButtonElement>(null)
  const bubble = useRef<HTMLSpanElement>(null)
  const place = () => {
    if (!button.current || !bubble.current) return
    const at = button.current.getBoundingClientRect()
    const width = bubble.current.offsetWidth
    bubble.current.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`
    bubble.current.style.top = `${Math.min(at.bottom + 6, innerHeight - bubble.current.offsetHeight - 8)}px`
  }
  return (
    <span class="hint">
      <button ref={button} type="button" class="hint-button" aria-label={t('app.hint', { name })} popovertarget={id}>
        ?
      </button>
      <span ref={bubble} id={id} popover="auto" role="note" class="hint-text" onToggle={place}>
        {children}
      </span>
    </span>
  )
}

/** The page's one h1; it gets the focus when a person comes from another page, so that reading starts here. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (arrivedByLink) heading.current?.focus({ preventScroll: true })
    arrivedByLink = true
  }, [title])
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  )
}

let arrivedByLink = false
