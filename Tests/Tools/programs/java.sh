# The Java compiler and its programs, with each garbage collector, with and without compilation.
set -e
java -version 2>&1 | head -1
cp /programs/java/*.java .
javac Hello.java Program.java
for collector in Serial Parallel G1 Z Shenandoah; do
    java -Xmx64m "-XX:+Use${collector}GC" Hello "$collector" || echo "$collector: $?"
done
java -Xint Hello interpreted
java -XX:+UseLargePages -Xmx1g Hello large pages 2>/dev/null | grep Hello
java -XX:NativeMemoryTracking=summary -Xmx64m Hello tracked
java -Xmx96m Program || echo "status $?"
java -Xmx96m -XX:+UseSerialGC -XX:+AlwaysPreTouch Program 2>&1 >serial || echo "status $?"
tail -2 serial
jar cfe hello.jar Hello Hello.class && java -jar hello.jar from a jar
java -XX:+PrintFlagsFinal -version 2>/dev/null | grep -cE 'UseG1GC|UseSerialGC'
(java -Xmx32m -cp . Hello x & jcmd -l | grep -c JCmd; wait)
jshell -s - 2>/dev/null <<'JAVA'
System.out.println(6 * 7)
JAVA
