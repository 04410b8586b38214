/* Keeps the page for use without a connection. The build puts the list of its files here. */
const FILES = ['shacomp-files'];
const CACHE = 'shacomp-page-shacomp-version';

self.addEventListener('install', (event) => {
  // a new version waits until no page of the old one is open: that still asks for its own files
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith('shacomp-page-') && name !== CACHE)
            .map((name) => caches.delete(name)),
        ),
      )
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  // the names of files have hashes in them: what is kept is never out of date; the page itself is new with
  // each version
  event.respondWith(
    caches.open(CACHE).then(async (cache) => {
      const kept = await cache.match(request, { ignoreSearch: true });
      return kept ?? fetch(request);
    }),
  );
});
