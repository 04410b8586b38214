/** @file What the pictures of docs/results have in common. */

export const COLOURS = { ours: '#2a6f97', other: '#e0a458', plain: '#9aa5b1' };

const escaped = (words) =>
  String(words).replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** @param anchor which point of the words (x, y) is: start, middle or end */
export function label(x, y, words, { size = 11, anchor = 'start' } = {}) {
  const at = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" font-size="${size}"${at}>${escaped(words)}</text>`;
}

/** A square of a colour and what it stands for. */
export const key = (x, y, colour, words) =>
  `<rect x="${x}" y="${y}" width="10" height="10" fill="${colour}"/>${label(x + 15, y + 9, words)}`;

/** A line through points [x, y]. */
export const polyline = (points, colour) =>
  `<polyline points="${points.map(([x, y]) => `${x},${y}`).join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;

/** The whole picture. */
export const picture = (width, height, title, parts) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" fill="#333">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
