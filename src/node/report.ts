/** @file Pages that need nothing but themselves: a built template (web/report) with the data in it. */
import { readFile } from 'node:fs/promises';
import type { ReportData } from '../codec/explain/report-data.js';
import { ShacompError } from '../errors.js';

const TEMPLATE = new URL('../report/report.html', import.meta.url);
/** What stands in the template for the data. */
const PLACE = '"shacomp-report-data"';

/**
 * A self-contained page in HTML.
 * @throws ShacompError ERR_FILE if the package was built without its template
 */
export async function reportPage(data: ReportData): Promise<string> {
  const template = await readFile(TEMPLATE, 'utf8').catch((error) => {
    throw new ShacompError(
      'ERR_FILE',
      'the template of pages is not here: run npm run build, or install the package again',
      { cause: error },
    );
  });
  // no text may end the script that holds it
  const json = JSON.stringify(data).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028');
  return template.replace(PLACE, () => json);
}
