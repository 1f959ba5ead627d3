/** Times without a link to a PBX, each with what was recovered of it. */
import { api } from '../api'
import { t } from '../i18n'
import { useLoad } from '../load'
import { cause, Empty, Heading, Moment, Problem, seconds } from '../parts/bits'
import { Table, type Column } from '../parts/table'
import { link } from '../router'
import { learnZone, live, nowMs } from '../store'
import type { BlindWindow } from '../types'

export function BlindPage() {
  const { epoch, linkSeq } = live.value
  const { value, error, busy, reload } = useLoad(
    async () => {
      const { items } = await api.blindWindows()
      learnZone(items[0]?.from)
      return items
    },
    'blind',
    `${epoch} ${linkSeq}`,
  )
  return (
    <>
      <Heading title="blind">{t('blind.title')}</Heading>
      <p class="muted">{t('blind.intro')}</p>
      {error ? <Problem error={error} retry={reload} /> : null}
      {value?.length === 0 ? <Empty>{t('blind.empty')}</Empty> : null}
      {value && value.length > 0 ? (
        <Table
          caption={t('blind.caption')}
          columns={columns()}
          rows={value}
          rowKey={(row) => String(row.id)}
          testId={(row) => `blind-row-${row.pbx}`}
          busy={busy}
        />
      ) : null}
      {!value && busy ? <p class="muted">{t('app.loading')}</p> : null}
    </>
  )
}

function columns(): Column<BlindWindow>[] {
  return [
    { key: 'pbx', head: t('blind.col.pbx'), cell: (row) => row.pbx },
    { key: 'from', head: t('blind.col.from'), cell: (row) => <Moment at={row.from} /> },
    { key: 'to', head: t('blind.col.to'), cell: (row) => (row.to ? <Moment at={row.to} /> : <strong class="late">{t('blind.now')}</strong>) },
    { key: 'length', head: t('blind.col.length'), class: 'col-time', cell: (row) => seconds(length(row)) },
    { key: 'reason', head: t('blind.col.reason'), cell: (row) => cause(row.reason) },
    { key: 'calls', head: t('blind.col.calls'), class: 'col-time', cell: (row) => <Count row={row} count={row.calls_recovered} press={false} /> },
    { key: 'appeals', head: t('blind.col.appeals'), class: 'col-time', cell: (row) => <Count row={row} count={row.appeals_recovered} press /> },
  ]
}

/** Leads to the very calls that are counted; `press`: those whose press was recovered. */
function Count({ row, count, press }: { row: BlindWindow; count: number; press: boolean }) {
  if (!count) return <span class="muted">0</span>
  return <a href={link(['calls'], { window: row.id, press })}>{count}</a>
}

function length(row: BlindWindow): number {
  return ((row.to ? Date.parse(row.to) : nowMs.value) - Date.parse(row.from)) / 1000
}
