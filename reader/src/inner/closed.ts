/** What the site's scripts may not use: whatever reaches other computers, or the reading page's worker, past the
 * service worker. */

const TAKEN_AWAY = [
  // UDP to any address, which neither a policy nor a service worker sees.
  'RTCPeerConnection', 'webkitRTCPeerConnection', 'RTCDataChannel', 'RTCIceTransport',
  // Connections that no service worker sees. The policy refuses them too.
  'WebSocket', 'WebSocketStream', 'WebTransport',
  // Other ways of leaving without a request.
  'PushManager', 'PresentationRequest', 'PaymentRequest', 'FencedFrameConfig', 'HTMLFencedFrameElement', 'sharedStorage',
  // What the worker keeps of the reading page.
  'caches',
  // Places to keep things in that hardly any site needs.
  'webkitRequestFileSystem', 'webkitResolveLocalFileSystemURL',
] as const;
const TAKEN_FROM_NAVIGATOR = [
  'serviceWorker', 'registerProtocolHandler', 'presentation', 'bluetooth', 'usb', 'serial', 'hid',
  'geolocation', 'mediaDevices', 'credentials', 'storage', 'storageBuckets', 'share', 'mediaSession', 'joinAdInterestGroup', 'runAdAuction',
] as const;

/** Take it away from the scripts of `window`. */
export function close(window: Window & typeof globalThis): void {
  for (const name of TAKEN_AWAY) remove(window, name);
  for (const name of TAKEN_FROM_NAVIGATOR) remove(window.Navigator.prototype, name);
}

/** Remove a property, so that scripts which look for it find none. What cannot be removed is there, and undefined. */
export function remove(from: object, name: string): void {
  Reflect.deleteProperty(from, name);
  if (name in from) Object.defineProperty(from, name, { value: undefined, configurable: false, writable: false });
}
