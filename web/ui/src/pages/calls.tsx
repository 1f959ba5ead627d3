/** All calls of a day, with the missed ones on their own: nights and weekends are a day like another. */
import { api } from '../api'
import { label, t, type TextKey } from '../i18n'
import { useList } from '../list'
import { Caller, Empty, Heading, lineOf, Moment, Problem, seconds } from '../parts/bits'
import { Outcome, Recovered, talkSeconds } from '../parts/call'
import { ListFoot } from '../parts/listfoot'
import { Table, type Column } from '../parts/table'
import { link, place, refine } from '../router'
import { dayZone, learnZone, live } from '../store'
import { addDays, dayStart } from '../time'
import type { Call } from '../types'

const MARKS = ['missed', 'pressed', 'recorded', 'recovered'] as const
type Mark = (typeof MARKS)[number]

interface Filters {
  day: string
  /** A blind window's id: the calls it brought; `press`: those whose press it brought. */
  window: string
  press: boolean
  missed: boolean
  pressed: boolean
  recorded: boolean
  recovered: boolean
}

export function CallsPage() {
  const filters = filtersOf(place.value.query)
  const filtered = Object.values(filters).some(Boolean)
  const { epoch, openedSeq, callSeq, cards } = live.value
  const list = useList<Call>(
    async (paging, signal) => {
      const page = await api.calls({ ...paging, ...question(filters) }, signal)
      learnZone(page.items[0]?.started_at)
      return page
    },
    (row) => row.id,
    JSON.stringify(filters),
    `${epoch} ${openedSeq} ${callSeq} ${cards.length}`,
  )
  const rows = list.value?.items ?? []
  return (
    <>
      <Heading title="calls">{t('calls.title')}</Heading>
      <FilterForm filters={filters} />
      {list.error ? <Problem error={list.error} retry={list.reload} /> : null}
      {list.value && rows.length === 0 ? <Empty>{t(filtered ? 'calls.empty_filtered' : 'calls.empty')}</Empty> : null}
      {rows.length > 0 ? (
        <Table
          caption={t('calls.caption')}
          columns={columns()}
          rows={rows}
          rowKey={(row) => row.id}
          testId={(row) => `call-row-${row.id}`}
          busy={list.busy}
        />
      ) : null}
      <ListFoot list={list} />
    </>
  )
}

function filtersOf(query: URLSearchParams): Filters {
  const get = (name: string) => query.get(name) ?? ''
  const marked = (name: string) => query.get(name) === '1'
  return {
    day: get('day'),
    window: get('window'),
    press: marked('press'),
    missed: marked('missed'),
    pressed: marked('pressed'),
    recorded: marked('recorded'),
    recovered: marked('recovered'),
  }
}

function question(filters: Filters) {
  const zone = dayZone.value
  return {
    blind_window: filters.window,
    press_recovered: filters.press ? 'true' : '',
    started_from: filters.day ? dayStart(filters.day, zone) : '',
    started_to: filters.day ? dayStart(addDays(filters.day, 1), zone) : '',
    ...Object.fromEntries(MARKS.filter((mark) => filters[mark]).map((mark) => [mark, 'true'])),
  }
}

function FilterForm({ filters }: { filters: Filters }) {
  const change = (part: Partial<Filters>) => refine(['calls'], { ...filters, ...part })
  const toggle = (mark: Mark) => change({ [mark]: !filters[mark] })
  return (
    <form class="filters" aria-label={t('filter.title')} onSubmit={(event) => event.preventDefault()}>
      <label>
        {t('calls.day')}
        <input type="date" value={filters.day} onChange={(event) => change({ day: event.currentTarget.value, window: '', press: false })} />
      </label>
      {MARKS.map((mark) => (
        <label key={mark} class="check">
          <input type="checkbox" checked={filters[mark]} data-testid={`filter-${mark}`} onChange={() => toggle(mark)} />
          {t(`calls.${mark}_only` as TextKey)}
        </label>
      ))}
      <button type="button" class="secondary" disabled={!Object.values(filters).some(Boolean)} onClick={() => refine(['calls'], {})}>
        {t('filter.clear')}
      </button>
      {filters.window ? <p class="muted grow">{t(filters.press ? 'calls.press_of_window' : 'calls.of_window')}</p> : null}
    </form>
  )
}

function columns(): Column<Call>[] {
  return [
    { key: 'started', head: t('calls.col.started'), cell: (row) => <Moment at={row.started_at} /> },
    { key: 'direction', head: t('calls.col.direction'), cell: (row) => label('direction', row.direction) },
    { key: 'from', head: t('calls.col.from'), class: 'col-caller', cell: (row) => <Caller party={row.from} /> },
    { key: 'to', head: t('calls.col.to'), class: 'col-line', cell: (row) => <bdi>{lineOf(row.to)}</bdi> },
    { key: 'queue', head: t('calls.col.queue'), cell: (row) => row.queue ?? '—' },
    {
      key: 'outcome',
      head: t('calls.col.outcome'),
      cell: (row) => (
        <>
          <Outcome call={row} /> {row.recovered ? <Recovered /> : null}
        </>
      ),
    },
    { key: 'talk', head: t('calls.col.talk'), class: 'col-time', cell: (row) => seconds(talkSeconds(row)) },
    {
      key: 'appeal',
      head: t('calls.col.appeal'),
      cell: (row) => (row.appeal === null ? '—' : <a href={link(['appeals', row.appeal], { call: row.id })}>{row.appeal}</a>),
    },
  ]
}
