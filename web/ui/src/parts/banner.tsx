/** What is wrong with a link to a PBX, since when, and what that means for calls. */
import { t, type TextKey } from '../i18n'
import { links } from '../store'
import type { Link } from '../types'
import { cause, Moment } from './bits'

export function LinkBanner() {
  const bad = links.value.filter((one) => one.state !== 'up' && one.state !== 'standby')
  return (
    <div role="status" class="banners">
      {bad.map((one) => (
        <Banner key={one.pbx} one={one} />
      ))}
    </div>
  )
}

function meaning(state: Link['state']): TextKey {
  if (state === 'refused') return 'link.meaning.refused'
  return state === 'stuck' ? 'link.meaning.stuck' : 'link.meaning'
}

function Banner({ one }: { one: Link }) {
  const refused = one.state === 'refused'
  return (
    <p class={`banner ${refused ? 'banner-refused' : ''}`} data-testid="link-banner">
      <strong>{t(`link.title.${one.state}` as TextKey, { pbx: one.pbx })}</strong>{' '}
      {one.since ? (
        <>
          {t('link.since', { at: '' })}
          <Moment at={one.since} />
          {'. '}
        </>
      ) : null}
      {one.reason ? `${t('link.reason', { reason: cause(one.reason) })} ` : null}
      {t(meaning(one.state))}
    </p>
  )
}
