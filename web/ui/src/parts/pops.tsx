/** Calls at this person's telephone: cards beside the page that never take the focus. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { label, t } from '../i18n'
import { link } from '../router'
import { ack, dismissUnseen, live } from '../store'
import type { Card, Unseen } from '../state'
import { Caller, Moment, whoIs } from './bits'

export function Pops() {
  const { cards, recent, unseen } = live.value
  useTitle(cards.filter((card) => card.phase === 'ringing'))
  const quiet = cards.length + recent.length + unseen.length === 0
  return (
    <aside class={`pops ${quiet ? 'pops-quiet' : ''}`} aria-labelledby="pops-title">
      <h2 id="pops-title">{t('pops.title')}</h2>
      <Announcer cards={cards} recent={recent} />
      {byUrgency(cards).map((card) => (
        <PopCard key={card.id} card={card} />
      ))}
      {unseen.map((one) => (
        <UnseenCard key={one.seq} one={one} />
      ))}
      {cards.length === 0 ? <p class="muted pops-empty">{t('pops.empty')}</p> : null}
      {recent.length > 0 ? <Recent cards={recent} /> : null}
    </aside>
  )
}

/** What rings stands above what is being talked about; else newest first. */
function byUrgency(cards: Card[]): Card[] {
  const ringing = cards.filter((card) => card.phase === 'ringing')
  return [...ringing, ...cards.filter((card) => card.phase !== 'ringing')]
}

function PopCard({ card }: { card: Card }) {
  const ringing = card.phase === 'ringing'
  return (
    <article class={`pop pop-${card.phase} ${card.acked ? 'pop-acked' : ''}`} data-testid="pop-card" data-pop={card.id} data-phase={card.phase}>
      <header>
        <strong class="pop-state">{ringing ? t('pops.ringing') : t('pops.current')}</strong>
        {ringing && card.round > 1 ? <span class="muted">{t('pops.round', { round: card.round })}</span> : null}
        {card.since ? <Moment at={card.since} /> : null}
      </header>
      <h3>
        <Caller party={card.caller} />
      </h3>
      <dl>
        <dt>{t('pops.customer')}</dt>
        <dd>{card.customer?.name ? <bdi>{card.customer.name}</bdi> : t('pops.customer_unknown')}</dd>
        {card.appeal !== null ? (
          <>
            <dt>{t('pops.appeal')}</dt>
            <dd>
              <AppealLink number={card.appeal} strong short />
            </dd>
          </>
        ) : null}
        {others(card).length > 0 ? (
          <>
            <dt>{t('pops.open_appeals')}</dt>
            <dd class="links">
              {others(card).map((number) => (
                <AppealLink key={number} number={number} short />
              ))}
            </dd>
          </>
        ) : null}
      </dl>
      {ringing ? <AckButton card={card} /> : null}
    </article>
  )
}

function AckButton({ card }: { card: Card }) {
  if (card.acked) return <p class="muted pop-seen">✓ {t('pops.acked')}</p>
  return (
    <button type="button" class="small" data-testid="pop-ack" onClick={() => ack(card.id)}>
      {t('pops.ack')}
      <span class="hidden"> {whoIs(card.caller)}</span>
    </button>
  )
}

function AppealLink({ number, strong, short }: { number: number; strong?: boolean; short?: boolean }) {
  const name = t('pops.appeal_link', { number })
  return (
    <a href={link(['appeals', number])} class={strong ? 'strong' : ''} aria-label={name}>
      {short ? number : name}
    </a>
  )
}

function others(card: Card): number[] {
  return card.openAppeals.filter((number) => number !== card.appeal)
}

function Recent({ cards }: { cards: Card[] }) {
  return (
    <section class="recent" aria-labelledby="recent-title">
      <h3 id="recent-title">{t('pops.recent')}</h3>
      <ul data-testid="pops-recent">
        {cards.map((card) => (
          <li key={card.id} data-testid="pop-recent">
            <Caller party={card.caller} />
            <span class="muted">{label('reason', card.reason)}</span>
            {card.appeal !== null ? <AppealLink number={card.appeal} /> : null}
          </li>
        ))}
      </ul>
    </section>
  )
}

function UnseenCard({ one }: { one: Unseen }) {
  return (
    <article class="pop pop-unseen" data-testid="pop-unseen">
      <strong>{t('pops.unseen')}</strong>
      <p>
        <Moment at={one.at} />{' '}
        {one.appeal !== null ? <AppealLink number={one.appeal} strong /> : <bdi>{one.call}</bdi>}
      </p>
      <button type="button" class="secondary small" onClick={() => dismissUnseen(one.seq)}>
        {t('pops.dismiss')}
      </button>
    </article>
  )
}

/** Says politely what came and what went; the cards themselves stay silent, so nothing is read twice. */
function Announcer({ cards, recent }: { cards: Card[]; recent: Card[] }) {
  const [said, setSaid] = useState('')
  const known = useRef(new Map<string, string>())
  useEffect(() => {
    const now = new Map([...cards, ...recent].map((card) => [card.id, card.phase]))
    const news = [...cards, ...recent].filter((card) => known.current.get(card.id) !== card.phase)
    known.current = now
    const text = news.map(announcement).filter(Boolean).join(' ')
    if (text) setSaid(text)
  }, [cards, recent])
  return (
    <p class="hidden" role="status" aria-live="polite">
      {said}
    </p>
  )
}

function announcement(card: Card): string {
  const who = whoIs(card.caller)
  if (card.phase === 'over') return t('pops.announce_over', { who, reason: label('reason', card.reason) })
  if (card.phase === 'current') return ''
  return card.appeal === null ? t('pops.announce', { who }) : t('pops.announce_appeal', { who, number: card.appeal })
}

/** A tab in the background says in its title that the telephone rings. */
function useTitle(ringing: Card[]): void {
  const first = ringing.find((card) => !card.acked)
  useEffect(() => {
    if (!first) return
    const plain = document.title.replace(/^☎ .* · /, '')
    document.title = `☎ ${t('pops.ringing')} · ${plain}`
    return () => {
      document.title = document.title.replace(/^☎ .* · /, '')
    }
  }, [first?.id])
}
