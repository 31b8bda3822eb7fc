import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/*
 * TLS 1.2 by JSSE with SunPKCS11 before all other providers, so that agreement, master secret, key block, MACs and ciphers are
 * the vault's. Arguments: server or client, SunPKCS11's configuration, PIN file, the peer's certificate, client's port. A server
 * tells its port and, at the end, the cipher suite; a client what it was answered.
 */
public class tls {
    static SSLContext context(String config, String pinFile, String certificate) throws Exception {
        Provider vault = Security.getProvider("SunPKCS11").configure(config);
        Security.insertProviderAt(vault, 1);
        KeyStore keys = KeyStore.getInstance("PKCS11", vault);
        keys.load(null, Files.readString(Path.of(pinFile)).trim().toCharArray());
        KeyManagerFactory own = KeyManagerFactory.getInstance("SunX509");
        own.init(keys, null);
        KeyStore known = KeyStore.getInstance("PKCS12");
        known.load(null, null);
        try (FileInputStream in = new FileInputStream(certificate)) {
            known.setCertificateEntry("peer", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(known);
        SSLContext context = SSLContext.getInstance("TLSv1.2");
        context.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
        return context;
    }

    static void serve(SSLContext context) throws Exception {
        try (SSLServerSocket listening = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0)) {
            System.out.println("port " + listening.getLocalPort());
            try (SSLSocket s = (SSLSocket) listening.accept()) {
                s.getOutputStream().write("hello from java\n".getBytes());
                System.out.println(s.getSession().getCipherSuite());
            }
        }
    }

    static void ask(SSLContext context, int port) throws Exception {
        try (SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket("localhost", port)) {
            s.getOutputStream().write("hello from java\n".getBytes());
            System.out.println(new BufferedReader(new InputStreamReader(s.getInputStream())).readLine());
        }
    }

    public static void main(String[] args) throws Exception {
        SSLContext context = context(args[1], args[2], args[3]);
        if (args[0].equals("server"))
            serve(context);
        else
            ask(context, Integer.parseInt(args[4]));
    }
}
