// The reference's page: calls and data channels between two browsers, as any site makes them.
// `twins.offer`, `twins.answer` and `twins.accept` exchange whole descriptions, so nothing is trickled.
globalThis.twins = (() => {
  const links = new Map();
  const PICTURE = { width: 320, height: 240, framesPerSecond: 15 };
  const STUN_MS = 2000;

  function stream() {
    const canvas = Object.assign(document.createElement('canvas'), PICTURE);
    const context = canvas.getContext('2d');
    let count = 0;
    setInterval(() => {
      count += 1;
      context.fillStyle = `hsl(${count % 360} 60% 50%)`;
      context.fillRect((count * 7) % 320, (count * 3) % 240, 40, 30);
    }, 1000 / PICTURE.framesPerSecond);
    const made = canvas.captureStream(PICTURE.framesPerSecond);
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const output = audio.createMediaStreamDestination();
    tone.connect(output);
    tone.start();
    made.addTrack(output.stream.getAudioTracks()[0]);
    return made;
  }

  let shared;
  function add(connection) {
    shared ??= stream();
    for (const track of shared.getTracks()) connection.addTrack(track, shared);
  }

  function connect(name, stun) {
    const connection = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
    const link = { connection, channel: undefined };
    links.set(name, link);
    return link;
  }

  async function described(connection) {
    await Promise.race([
      new Promise((resolve) => {
        const look = () => connection.iceGatheringState === 'complete' && resolve();
        connection.addEventListener('icegatheringstatechange', look);
        look();
      }),
      new Promise((resolve) => setTimeout(resolve, STUN_MS)),
    ]);
    return connection.localDescription.sdp;
  }

  function chat(channel) {
    // Messages of some hundred bytes a few times a second, as of a chat or a game.
    const timer = setInterval(() => {
      if (channel.readyState === 'open') channel.send('x'.repeat(50 + Math.random() * 400));
      if (channel.readyState === 'closed') clearInterval(timer);
    }, 300);
    return channel;
  }

  return {
    async offer(name, stun, isCall) {
      const link = connect(name, stun);
      // A call has its media first, as it has where a chat is opened during the call.
      if (isCall) add(link.connection);
      link.channel = chat(link.connection.createDataChannel('chat'));
      await link.connection.setLocalDescription(await link.connection.createOffer());
      return described(link.connection);
    },
    async answer(name, stun, isCall, sdp) {
      const link = connect(name, stun);
      link.connection.ondatachannel = ({ channel }) => (link.channel = chat(channel));
      await link.connection.setRemoteDescription({ type: 'offer', sdp });
      if (isCall) add(link.connection);
      await link.connection.setLocalDescription(await link.connection.createAnswer());
      return described(link.connection);
    },
    async accept(name, sdp) {
      await links.get(name).connection.setRemoteDescription({ type: 'answer', sdp });
    },
    states: () => [...links.values()].map(({ channel }) => channel?.readyState ?? 'none'),
    end() {
      for (const { connection } of links.values()) connection.close();
      links.clear();
    },
  };
})();
