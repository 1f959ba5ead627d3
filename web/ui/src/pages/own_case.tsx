/** An appeal as the person sees it whom it accuses: that it is there, where it stands, and who decides. */
import { t } from '../i18n'
import { Heading, Moment, PhaseMark } from '../parts/bits'
import { link } from '../router'
import type { OwnCase } from '../types'

export function OwnCasePage({ own }: { own: OwnCase }) {
  const { explanation } = own
  return (
    <div class="appeal" data-testid="own-case">
      <div class="appeal-head">
        <Heading title={`appeal ${own.number}`}>{t('appeal.title', { number: own.number })}</Heading>
        <PhaseMark phase={own.phase} />
      </div>
      <section class="panel" aria-labelledby="own-title">
        <h2 id="own-title">{t('own.title')}</h2>
        <p>{t('own.why')}</p>
        <dl class="facts">
          <dt>{t('own.handled_by')}</dt>
          <dd>
            <bdi>{own.handled_by.name}</bdi>
          </dd>
          <dt>{t('appeal.opened')}</dt>
          <dd>
            <Moment at={own.opened_at} />
          </dd>
        </dl>
        <p>{explanation === null ? t('own.no_explanation_yet') : t('own.explanation_asked')}</p>
      </section>
      <p>
        <a href={link(['appeals'])}>{t('app.to_list')}</a>
      </p>
    </div>
  )
}
