/** Reaction times: value, target, definition, and the two events each was computed from. */
import { label, t } from '../i18n'
import { link } from '../router'
import { evidence, proof, type Evidence, type Mark } from '../times'
import { TIME_NAMES, type Appeal, type HistoryEntry, type TimeName } from '../types'
import { Hint, Moment, seconds } from './bits'
import { Table, type Column } from './table'

interface Row {
  name: TimeName
  value: number | null
  business: number | null
  target: { limit_s: number; met: boolean | null } | null
  evidence: Evidence
}

export function ReactionTimes({ appeal, history }: { appeal: Appeal; history: readonly HistoryEntry[] }) {
  const rows = rowsOf(appeal, history)
  return (
    <section aria-labelledby="times-title" class="panel">
      <h2 id="times-title">{t('times.title')}</h2>
      <Table caption={t('times.caption')} columns={columns(appeal)} rows={rows} rowKey={(row) => row.name} testId={(row) => `time-${row.name}`} />
      <p class="muted note-line">{t('times.note')}</p>
    </section>
  )
}

/** "Abandoned after" and "wait for an answer" exclude each other: only the one that happened is shown. */
function rowsOf(appeal: Appeal, history: readonly HistoryEntry[]): Row[] {
  const proofs = evidence(appeal, history)
  const abandoned = appeal.times?.abandoned_after_s != null
  const hidden: TimeName = abandoned ? 'wait_s' : 'abandoned_after_s'
  return TIME_NAMES.filter((name) => name !== hidden).map((name) => ({
    name,
    value: appeal.times?.[name] ?? null,
    business: appeal.times_business?.[name] ?? null,
    target: appeal.targets?.[name] ?? null,
    evidence: proofs[name],
  }))
}

function columns(appeal: Appeal): Column<Row>[] {
  const business: Column<Row> = { key: 'business', head: t('times.col.business'), class: 'col-time', cell: (row) => seconds(row.business) }
  const target: Column<Row> = { key: 'target', head: t('times.col.target'), class: 'col-half', cell: (row) => <Target row={row} /> }
  return [
    {
      key: 'name',
      head: t('times.col.name'),
      class: 'col-wide',
      cell: (row) => (
        <>
          {label('time', row.name)} <Hint name={label('time', row.name)}>{label('time.def', row.name)}</Hint>
        </>
      ),
    },
    { key: 'value', head: t('times.col.value'), class: 'col-time col-half', cell: (row) => <Value appeal={appeal} row={row} /> },
    ...(appeal.times_business ? [business] : []),
    ...(appeal.targets ? [target] : []),
    { key: 'from', head: t('times.col.from'), class: 'col-half', cell: (row) => <MarkCell mark={row.evidence.from} /> },
    { key: 'to', head: t('times.col.to'), class: 'col-half', cell: (row) => <MarkCell mark={row.evidence.to} /> },
  ]
}

function Value({ appeal, row }: { appeal: Appeal; row: Row }) {
  if (row.value === null) return <span class="muted">{t('time.pending')}</span>
  const call = proof(row.evidence)
  return (
    <a class="strong" href={link(['appeals', appeal.number], call ? { call } : { to: 'history' })}>
      {seconds(row.value)}
    </a>
  )
}

function Target({ row }: { row: Row }) {
  if (!row.target) return <span class="muted">{t('times.no_target')}</span>
  const limit = seconds(row.target.limit_s)
  if (row.target.met === null) return <span>{t('times.target_open', { limit })}</span>
  return (
    <span class={row.target.met ? 'met' : 'late'}>{t(row.target.met ? 'times.target_met' : 'times.target_missed', { limit })}</span>
  )
}

function MarkCell({ mark }: { mark: Mark }) {
  return (
    <span class={`event ${mark.at ? '' : 'muted'}`}>
      {label('mark', mark.name)} <Moment at={mark.at} />
    </span>
  )
}
