/** The append-only history of an appeal, newest last, in words. */
import { label, t } from '../i18n'
import type { HistoryEntry } from '../types'
import { Empty, Moment } from './bits'

export function History({ entries }: { entries: readonly HistoryEntry[] }) {
  return (
    <section class="panel" aria-labelledby="history" data-testid="history">
      <h2 id="history" tabIndex={-1}>
        {t('history.title')}
      </h2>
      {entries.length === 0 ? <Empty>{t('history.empty')}</Empty> : null}
      <ol class="history">
        {entries.map((entry) => (
          <li key={entry.n}>
            <Moment at={entry.at} />
            <span class="author">
              <bdi>{authorOf(entry)}</bdi>
            </span>
            <span>
              <strong>{label('history', entry.action)}</strong>
              <Details entry={entry} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function authorOf(entry: HistoryEntry): string {
  if (typeof entry.author === 'string') return entry.author
  return entry.author?.name ?? t('history.machine')
}

function Details({ entry }: { entry: HistoryEntry }) {
  const text = describe(entry)
  return text ? (
    <>
      {': '}
      <bdi>{text}</bdi>
    </>
  ) : null
}

/** Return what an entry says beyond its action; pure. */
export function describe(entry: HistoryEntry): string {
  const data = entry.data ?? {}
  const told = TELLERS[entry.action]
  return told ? told(data) : rest(data)
}

type Data = Record<string, unknown>

const TELLERS: Record<string, (data: Data) => string> = {
  stage: (data) => `${label('verb', text(data['verb']))} (${text(data['from'])} → ${text(data['to'])})`,
  changed: (data) => `${label('field', text(data['field']))}: ${value(data['old'])} → ${value(data['new'])}`,
  refused: (data) => `${label('verb', text(data['action']))} — ${label('refusal', text(data['reason']))}`,
  responsible_withdrawn: (data) => label('refusal', text(data['reason'])),
  deadline: (data) => label('deadline', text(data['level'])),
  evidence: (data) => label('verified', text(data['new'])),
  call_linked: (data) => `${label('direction', text(data['direction']))}, ${text(data['call'])}`,
  call_ended: (data) => `${label('direction', text(data['direction']))}, ${label('outcome', text(data['outcome']))}`,
  first_contact: (data) => text(data['extension']),
  related: (data) => (Array.isArray(data['appeals']) ? data['appeals'].join(', ') : ''),
  opened: () => '',
  pressed_again: () => '',
}

function rest(data: Data): string {
  return Object.entries(data)
    .map(([name, one]) => `${label('field', name)}: ${value(one)}`)
    .join('; ')
}

function value(one: unknown): string {
  return one === null || one === undefined || one === '' ? '—' : text(one)
}

function text(one: unknown): string {
  if (one === null || one === undefined) return ''
  return typeof one === 'object' ? JSON.stringify(one) : String(one)
}
