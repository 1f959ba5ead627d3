/** What happened at the entrance, and who listened to which recording: for those who oversee. */
import { api } from '../api'
import { label, t, type TextKey } from '../i18n'
import { useList } from '../list'
import { Agent, Empty, Heading, Moment, Problem } from '../parts/bits'
import { ListFoot } from '../parts/listfoot'
import { Table, type Column } from '../parts/table'
import { link, place, refine } from '../router'
import type { AuditEntry, Listening } from '../types'

const KINDS = [
  'signed-in',
  'sign-in-failed',
  'locked-out',
  'spraying',
  'signed-out',
  'sessions-ended',
  'ticket-issued',
  'password-changed',
  'password-set',
  'second-factor-set',
  'second-factor-reset',
  'user-added',
  'user-disabled',
  'user-unlocked',
  'telephone-given',
] as const

export function AuditPage() {
  const listening = place.value.query.get('view') === 'listening'
  return (
    <>
      <Heading title="audit">{t('nav.audit')}</Heading>
      <nav class="views" aria-label={t('audit.views')}>
        <a href={link(['audit'])} aria-current={listening ? undefined : 'page'}>
          {t('audit.entrance')}
        </a>
        <a href={link(['audit'], { view: 'listening' })} aria-current={listening ? 'page' : undefined}>
          {t('audit.listening')}
        </a>
      </nav>
      {listening ? <ListeningList key="listening" /> : <EntryList key="entries" />}
    </>
  )
}

function EntryList() {
  const kind = place.value.query.get('kind') ?? ''
  const list = useList<AuditEntry>(
    (paging, signal) => api.audit({ ...paging, kind }, signal),
    (row) => row.id,
    `audit ${kind}`,
    place.value.visit,
  )
  return (
    <>
      <p class="muted">{t('audit.intro')}</p>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          {t('audit.kind')}
          <select value={kind} data-testid="audit-kind" onChange={(event) => refine(['audit'], { kind: event.currentTarget.value })}>
            <option value="">{t('filter.any')}</option>
            {KINDS.map((one) => (
              <option key={one} value={one}>
                {label('audit', one)}
              </option>
            ))}
          </select>
        </label>
      </form>
      {list.error ? <Problem error={list.error} retry={list.reload} /> : null}
      {list.value?.items.length === 0 ? <Empty>{t('audit.empty')}</Empty> : null}
      {list.value && list.value.items.length > 0 ? (
        <Table
          caption={t('audit.entrance')}
          columns={entryColumns()}
          rows={list.value.items}
          rowKey={(row) => row.id}
          testId={() => 'audit-row'}
          rowClass={(row) => (['locked-out', 'spraying'].includes(row.kind) ? 'alarm' : '')}
          busy={list.busy}
        />
      ) : null}
      <ListFoot list={list} />
    </>
  )
}

function ListeningList() {
  const list = useList<Listening>((paging, signal) => api.listenings(paging, signal), (row) => row.id, 'listening', place.value.visit)
  return (
    <>
      <p class="muted">{t('audit.listening_intro')}</p>
      {list.error ? <Problem error={list.error} retry={list.reload} /> : null}
      {list.value?.items.length === 0 ? <Empty>{t('audit.listening_empty')}</Empty> : null}
      {list.value && list.value.items.length > 0 ? (
        <Table
          caption={t('audit.listening')}
          columns={listeningColumns()}
          rows={list.value.items}
          rowKey={(row) => row.id}
          testId={() => 'listening-row'}
          busy={list.busy}
        />
      ) : null}
      <ListFoot list={list} />
    </>
  )
}

function entryColumns(): Column<AuditEntry>[] {
  return [
    { key: 'at', head: t('audit.col.at'), cell: (row) => <Moment at={row.at} /> },
    { key: 'kind', head: t('audit.col.kind'), cell: (row) => what(row) },
    { key: 'actor', head: t('audit.col.actor'), class: 'col-who', cell: (row) => <bdi>{row.actor?.name ?? nobody(row)}</bdi> },
    { key: 'subject', head: t('audit.col.subject'), class: 'col-who', cell: (row) => <bdi>{row.subject?.name ?? '—'}</bdi> },
    { key: 'address', head: t('audit.col.address'), cell: (row) => row.address ?? '—' },
    { key: 'agent', head: t('audit.col.agent'), cell: (row) => <Agent agent={row.agent} /> },
  ]
}

function listeningColumns(): Column<Listening>[] {
  return [
    { key: 'at', head: t('audit.col.at'), cell: (row) => <Moment at={row.at} /> },
    { key: 'who', head: t('audit.col.who'), cell: (row) => <bdi>{row.employee.name ?? '—'}</bdi> },
    { key: 'recording', head: t('audit.col.recording'), cell: (row) => row.recording },
    { key: 'call', head: t('audit.col.call'), cell: (row) => row.call ?? '—' },
    { key: 'address', head: t('audit.col.address'), cell: (row) => row.address ?? '—' },
  ]
}

function what(row: AuditEntry): string {
  const detail = row.data['why'] ?? row.data['device']
  const key = `audit.detail.${String(detail)}`
  return detail === undefined ? label('audit', row.kind) : `${label('audit', row.kind)}: ${t(key as TextKey)}`
}

function nobody(row: AuditEntry): string {
  return row.data['how'] === 'command line' ? t('audit.command_line') : '—'
}
