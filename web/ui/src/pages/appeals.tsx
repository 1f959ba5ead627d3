/** The list of appeals: what waits, for how long, and until when it must be done. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../api'
import { label, t } from '../i18n'
import { useList } from '../list'
import { Caller, Deadline, Empty, Heading, Moment, PhaseMark, Problem, seconds } from '../parts/bits'
import { ListFoot } from '../parts/listfoot'
import { Table, type Column } from '../parts/table'
import { link, place, refine } from '../router'
import { dayZone, dictionaries, learnZone, live } from '../store'
import { addDays, dayStart } from '../time'
import { PHASES, type Appeal, type TimeName } from '../types'

interface Filters {
  phase: string
  q: string
  from: string
  to: string
}

export function AppealsPage() {
  const filters = filtersOf(place.value.query)
  const filtered = Object.values(filters).some(Boolean)
  const list = useList<Appeal>(
    async (paging, signal) => {
      const page = await api.appeals({ ...paging, ...question(filters) }, signal)
      learnZone(page.items[0]?.opened_at)
      return page
    },
    (row) => row.number,
    JSON.stringify(filters),
    revision(filtered),
  )
  const rows = list.value?.items ?? []
  return (
    <>
      <Heading title="appeals">{t('appeals.title')}</Heading>
      <FilterForm filters={filters} />
      {list.error ? <Problem error={list.error} retry={list.reload} /> : null}
      {list.value && rows.length === 0 ? <Empty>{t(filtered ? 'appeals.empty_filtered' : 'appeals.empty')}</Empty> : null}
      {rows.length > 0 ? (
        <Table
          caption={t('appeals.caption')}
          columns={columns()}
          rows={rows}
          rowKey={(row) => row.number}
          testId={(row) => `appeal-row-${row.number}`}
          rowClass={(row) => (row.number in live.value.touched ? 'touched' : '')}
          busy={list.busy}
        />
      ) : null}
      <ListFoot list={list} />
    </>
  )
}

/** With a filter any change may bring a row in or out; without one every event counts as well. */
function revision(filtered: boolean): string {
  const { epoch, openedSeq, touched } = live.value
  const last = Math.max(0, openedSeq, ...Object.values(touched))
  return `${filtered} ${epoch} ${last}`
}

function filtersOf(query: URLSearchParams): Filters {
  const get = (name: string) => query.get(name) ?? ''
  return { phase: get('phase'), q: get('q'), from: get('from'), to: get('to') }
}

function question(filters: Filters) {
  const zone = dayZone.value
  return {
    phase: filters.phase,
    q: filters.q,
    opened_from: filters.from && dayStart(filters.from, zone),
    opened_to: filters.to && dayStart(addDays(filters.to, 1), zone),
  }
}

const TYPING_MS = 300

function FilterForm({ filters }: { filters: Filters }) {
  const [q, setQ] = useState(filters.q)
  const put = useRef(filters.q) // what this form itself put into the address: a key typed meanwhile is younger
  const change = (part: Partial<Filters>) => {
    put.current = part.q ?? q
    refine(['appeals'], { ...filters, q, ...part })
  }
  useEffect(() => {
    if (filters.q === put.current) return
    put.current = filters.q
    setQ(filters.q)
  }, [filters.q])
  useEffect(() => {
    if (q === filters.q) return
    const timer = setTimeout(() => change({ q }), TYPING_MS)
    return () => clearTimeout(timer)
  }, [q])
  return (
    <form class="filters" aria-label={t('filter.title')} onSubmit={(event) => event.preventDefault()}>
      <label class="grow">
        {t('filter.q')}
        <input type="search" value={q} placeholder={t('filter.q_hint')} onInput={(event) => setQ(event.currentTarget.value)} />
      </label>
      <label>
        {t('filter.phase')}
        <select value={filters.phase} data-testid="filter-phase" onChange={(event) => change({ phase: event.currentTarget.value })}>
          <option value="">{t('filter.any')}</option>
          {PHASES.map((phase) => (
            <option key={phase} value={phase}>
              {label('phase', phase)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('filter.from')}
        <input type="date" value={filters.from} max={filters.to || undefined} onChange={(event) => change({ from: event.currentTarget.value })} />
      </label>
      <label>
        {t('filter.to')}
        <input type="date" value={filters.to} min={filters.from || undefined} onChange={(event) => change({ to: event.currentTarget.value })} />
      </label>
      <button
        type="button"
        class="secondary"
        disabled={!Object.values(filters).some(Boolean)}
        onClick={() => refine(['appeals'], {})}
      >
        {t('filter.clear')}
      </button>
    </form>
  )
}

function columns(): Column<Appeal>[] {
  return [
    {
      key: 'number',
      head: t('appeals.col.number'),
      class: 'col-number',
      cell: (row) => <a href={link(['appeals', row.number])} class="strong">{row.number}</a>,
    },
    { key: 'phase', head: t('appeals.col.phase'), cell: (row) => <PhaseMark phase={row.phase} /> },
    { key: 'type', head: t('appeals.col.type'), cell: (row) => <Type code={row.type} /> },
    { key: 'caller', head: t('appeals.col.caller'), class: 'col-caller', cell: (row) => <Caller party={row.caller} customer={row.customer} /> },
    { key: 'opened', head: t('appeals.col.opened'), cell: (row) => <Moment at={row.opened_at} /> },
    { key: 'deadline', head: t('appeals.col.deadline'), cell: (row) => <Deadline appeal={row} /> },
    { key: 'wait', head: t('appeals.col.wait'), hint: t('time.def.wait_s'), class: 'col-time', cell: (row) => <Wait row={row} /> },
    { key: 'contact', head: t('appeals.col.contact'), hint: t('time.def.first_contact_s'), class: 'col-time', cell: (row) => <TimeLink row={row} name="first_contact_s" /> },
    { key: 'take', head: t('appeals.col.take'), hint: t('time.def.take_s'), class: 'col-time', cell: (row) => <TimeLink row={row} name="take_s" /> },
  ]
}

function Type({ code }: { code: string }) {
  const name = dictionaries.value?.types.find((one) => one.code === code)?.name
  return name ? <abbr title={name}>{code}</abbr> : <span>{code}</span>
}

function Wait({ row }: { row: Appeal }) {
  const abandoned = row.times?.abandoned_after_s
  if (abandoned === null || abandoned === undefined) return <TimeLink row={row} name="wait_s" />
  return <TimeLink row={row} name="abandoned_after_s" text={t('time.abandoned', { time: seconds(abandoned) })} />
}

/** A time leads to the calls that it was measured in. */
function TimeLink({ row, name, text }: { row: Appeal; name: TimeName; text?: string }) {
  const value = row.times?.[name]
  if (value === null || value === undefined) return <span class="muted">{t('time.pending')}</span>
  const missed = row.targets?.[name]?.met === false
  return (
    <a
      href={link(['appeals', row.number], { to: 'calls' })}
      class={missed ? 'late' : ''}
      title={t('appeals.times_of', { number: row.number, name: label('time', name) })}
    >
      {text ?? seconds(value)}
    </a>
  )
}
