/** What the build makes: the sample, analysed (web/vite.config.ts). */
declare module 'virtual:sample' {
  const sample: import('../../src/codec/explain/report-data.js').PackedExplanation;
  export default sample;
}
