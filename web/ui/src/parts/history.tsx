/** The append-only history of an appeal, newest last, in words. */
import { label, t } from '../i18n'
import { dictionaries } from '../store'
import type { Call, Dictionaries, HistoryEntry } from '../types'
import { Empty, Moment } from './bits'

interface Props {
  entries: readonly HistoryEntry[]
  calls: readonly Call[]
}

export function History({ entries, calls }: Props) {
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
              <Details entry={entry} calls={calls} />
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

function Details({ entry, calls }: { entry: HistoryEntry; calls: readonly Call[] }) {
  const text = describe(entry, dictionaries.value)
  const call = calls.find((one) => one.id === entry.data?.['call'])
  return (
    <>
      {text ? ': ' : null}
      <bdi>{text}</bdi>
      {call && ABOUT_A_CALL.includes(entry.action) ? (
        <>
          {t('history.began', { at: '' })}
          <Moment at={call.started_at} />
        </>
      ) : null}
    </>
  )
}

const ABOUT_A_CALL = ['call_linked', 'call_ended', 'call_unlinked']

/** Return what an entry says beyond its action; pure. */
export function describe(entry: HistoryEntry, names: Dictionaries | null): string {
  const data = entry.data ?? {}
  const told = TELLERS[entry.action]
  return told ? told(data, names) : rest(data)
}

type Data = Record<string, unknown>
type Names = Dictionaries | null

const TELLERS: Record<string, (data: Data, names: Names) => string> = {
  stage: step,
  changed: (data, names) => change(text(data['field']), data, names),
  refused: (data) => `${label('act', text(data['action']))} — ${label('refusal', text(data['reason']))}`,
  conflict: (data, names) => `${text(nameOf('accused', data['employee'], names))}: ${label('refusal', text(data['reason']))}`,
  read_in_conflict: () => '',
  customer_detached: () => '',
  call_unlinked: (data) => label('direction', text(data['direction'])),
  first_contact_corrected: () => '',
  responsible_withdrawn: (data) => label('refusal', text(data['reason'])),
  deadline: (data) => label('deadline', text(data['level'])),
  evidence: (data) => label('verified', text(data['new'])),
  call_linked: (data) => label('direction', text(data['direction'])),
  call_ended: (data) => `${label('direction', text(data['direction']))}, ${label('outcome', text(data['outcome']))}`,
  first_contact: (data) => (data['extension'] ? t('history.telephone', { extension: text(data['extension']) }) : ''),
  related: (data) => (Array.isArray(data['appeals']) ? data['appeals'].join(', ') : ''),
  opened: () => '',
  pressed_again: () => '',
}

/** A step may choose the person responsible as well. */
function step(data: Data, names: Names): string {
  const said = `${label('verb', text(data['verb']))} (${text(data['from'])} → ${text(data['to'])})`
  const chosen = data['responsible'] as Data | undefined
  return chosen ? `${said}; ${change('responsible', chosen, names)}` : said
}

function change(field: string, data: Data, names: Names): string {
  const [before, after] = [data['old'], data['new']].map((one) => value(nameOf(field, one, names)))
  return before === '—' ? `${label('field', field)} — ${after}` : `${label('field', field)}: ${before} → ${after}`
}

/** People are stored by id, categories by code: people read names. */
function nameOf(field: string, one: unknown, names: Names): unknown {
  if (['responsible', 'accused'].includes(field)) return names?.employees.find((person) => person.id === one)?.name ?? one
  if (field === 'category') return names?.categories.find((category) => category.code === one)?.name ?? one
  return one
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
